"""The trace that a measured run or request belongs to, as an exemplar of a histogram."""

from penstock.telemetry.traceparent import parse_traceparent


def exemplar_of(traceparent: str | None) -> dict[str, str] | None:
    """None when nobody keeps the trace, so that it cannot be found, or the header is malformed."""
    parsed = parse_traceparent(traceparent)
    return {"trace_id": parsed.trace_id} if parsed is not None and parsed.is_sampled else None
