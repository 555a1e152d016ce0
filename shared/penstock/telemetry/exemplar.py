"""The trace that a measured run or request belongs to, as an exemplar of a histogram."""

import re

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1


def exemplar_of(traceparent: str | None) -> dict[str, str] | None:
    """None when nobody keeps the trace, so that it cannot be found, or the header is malformed."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return {"trace_id": found[1]} if found and int(found[2], 16) & _SAMPLED else None
