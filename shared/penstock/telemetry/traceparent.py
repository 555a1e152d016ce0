"""What a W3C `traceparent` says: which trace, and whether anybody keeps it."""

import re

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_NO_TRACE = "0" * 32
_SAMPLED = 1


def trace_id_of(traceparent: str | None) -> str | None:
    """The id of a trace that is sampled; None when nobody will find it, or the header is malformed."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None or found[1] == _NO_TRACE or not int(found[2], 16) & _SAMPLED:
        return None
    return found[1]


def exemplar_of(traceparent: str | None) -> dict[str, str] | None:
    """The trace as an exemplar of a histogram; None: it has none to show."""
    trace_id = trace_id_of(traceparent)
    return None if trace_id is None else {"trace_id": trace_id}
