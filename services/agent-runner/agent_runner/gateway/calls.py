"""A span for a call at the gateway, below what the agent says it does, or below the agent itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from starlette.requests import Request

from agent_runner.gateway.requests import Refused
from agent_runner.held import Held
from penstock.telemetry.span import SpanKind
from penstock.telemetry.traceparent import parse_traceparent, trace_id_of
from penstock.telemetry.tracing import Tracing

REFUSALS_FROM = 500  # below, the agent asked for something that is not there; that is an answer


@contextmanager
def call_span(tracing: Tracing, request: Request, held: Held, *, name: str) -> Iterator[None]:
    """Surrounds a call of an attempt that is traced."""
    above = span_above(request, held)
    own, start, error = tracing.begin(above), datetime.now(UTC), None
    try:
        yield
    except Exception as raised:
        if not isinstance(raised, Refused) or raised.status >= REFUSALS_FROM:
            error = f"{type(raised).__name__}: {raised}"
        raise
    finally:
        tracing.emit(
            name,
            own=own,
            parent=above,
            start=start,
            end=datetime.now(UTC),
            kind=SpanKind.SERVER,
            attributes={
                "penstock.run": str(held.order.run),
                "penstock.node": held.order.node,
                "penstock.attempt": held.order.attempt,
            },
            error=error,
        )


def span_above(request: Request, held: Held) -> str | None:
    """A span of the agent's own, if it is of this trace: an agent cannot write into another's."""
    given = request.headers.get("traceparent")
    if parse_traceparent(given) is not None and trace_id_of(given) == trace_id_of(held.traceparent):
        return given
    return held.traceparent
