"""The W3C header `traceparent`, as far as logs and metrics need it: the id of the trace."""

import re

# The version ff is forbidden, and an id of zeroes is none. Later versions may append fields.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace's id in hexadecimal, or None when there is no header or it is none."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return found["trace"] if found else None
