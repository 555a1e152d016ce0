"""The W3C trace context: the header `traceparent`, read and written. Source: W3C Trace Context, level 2.

A traceparent stays the text that it is on the wire, the database and the bus; what hot paths ask of it is asked of
the text. Whoever makes one anew uses `TraceParent`.
"""

import re
import secrets
from hashlib import blake2b

from penstock.contracts.value import Value, replace

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 0x01
_RANDOM = 0x02  # the trace id is random: others may sample by it
_ODD = frozenset("13579bdf")  # last digits of flags in which the sampled bit is set


class TraceParent(Value, frozen=True):
    """One span, as its children name it. Ids are lower-case hex: 32 and 16 digits."""

    trace_id: str
    span_id: str
    flags: int

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & _SAMPLED)

    def child(self, span_id: str) -> "TraceParent":
        """Another span of the same trace, sampled if this one is."""
        return replace(self, span_id=span_id)


def parse_traceparent(text: str | None) -> TraceParent | None:
    """None when it is not well formed: a trace is never worth a refusal."""
    found = _FORM.fullmatch(text) if text else None
    return TraceParent(found[1], found[2], int(found[3], 16)) if found else None


def is_sampled(traceparent: str | None) -> bool:
    """Whether somebody collects this trace. The other flags may say what they like."""
    return traceparent is not None and traceparent[-1:] in _ODD


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace's id, for a log line or an exemplar. An exemplar also wants `is_sampled`."""
    return traceparent[3:35] if traceparent is not None and len(traceparent) == 55 else None


def new_trace(*, sampled: bool) -> TraceParent:
    """The root of a trace of its own."""
    return TraceParent(secrets.token_hex(16), new_span_id(), _RANDOM | (_SAMPLED if sampled else 0))


def new_span_id() -> str:
    return secrets.token_hex(8)


def derived_span_id(*parts: object) -> str:
    """The same id for the same parts, whoever asks: a span of a run needs no memory between its start and its end."""
    return blake2b("/".join(map(str, parts)).encode(), digest_size=8).hexdigest()
