"""What a log line says of the thing that it is about: the same fields everywhere, so that one search finds all."""

from uuid import UUID

from penstock.contracts.messages import StartNode
from penstock.telemetry.traceparent import trace_id_of

Fields = dict[str, str | int]


def about(
    run: UUID, *, node: str | None = None, attempt: int | None = None, traceparent: str | None = None
) -> Fields:
    """Fields of a line about a run, or about an attempt in it; what is not known is left out."""
    fields: Fields = {"run": str(run)}
    if node is not None:
        fields["node"] = node
    if attempt is not None:
        fields["attempt"] = attempt
    trace_id = trace_id_of(traceparent)
    if trace_id is not None:
        fields["trace_id"] = trace_id
    return fields


def about_attempt(order: StartNode) -> Fields:
    """Fields of a line about the attempt that a runner was ordered to make."""
    return about(order.run, node=order.node, attempt=order.attempt, traceparent=order.traceparent)
