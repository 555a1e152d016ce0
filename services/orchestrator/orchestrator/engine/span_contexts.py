"""Which span stands for what in a run's trace: ids that anybody can derive, at any time, in any process.

A run lasts for hours, and every step of it may be committed by another orchestrator: nobody holds a span open.
What is sent out (an offer, an event, the start of a sub-workflow) names its span before that span has ended;
`run_trace` tells of it later under the same id.
"""

from uuid import UUID

from orchestrator.domain.run import Run
from penstock.contracts.value import Value
from penstock.telemetry.traceparent import derived_span_id, is_sampled, parse_traceparent
from penstock.telemetry.tracing import OFF, Tracing


def run_span_id(run: UUID, phase: int = 0) -> str:
    """`phase` counts how often the run had ended before: a retried run, or one that is undone, goes on in the next."""
    return derived_span_id("run", run, phase)


def unit_span_id(run: UUID, unit: str, seq: int) -> str:
    """By the fact with which it began: a person may have it begin again."""
    return derived_span_id("unit", run, unit, seq)


def attempt_span_id(run: UUID, unit: str, attempt: int) -> str:
    return derived_span_id("attempt", run, unit, attempt)


def step_span_id(run: UUID, seq: int) -> str:
    """Of a time of waiting, by the fact with which it began."""
    return derived_span_id("step", run, seq)


class SpanContexts(Value, frozen=True):
    """The traceparents that go along. Without traces of our own, what the client sent is handed on as it is."""

    tracing: Tracing = OFF

    def of_run(self, run: Run) -> str | None:
        return self.of_stored_run(run.id, run.traceparent)

    def of_stored_run(self, run: UUID, traceparent: str | None) -> str | None:
        """The same of a run that was only read."""
        if not self.tracing.is_on or not is_sampled(traceparent):
            return traceparent
        above = parse_traceparent(traceparent)
        return traceparent if above is None else str(above.child(run_span_id(run)))

    def of_attempt(self, run: Run, unit: str, attempt: int) -> str | None:
        if not self._is_traced(run):
            return run.traceparent
        return self._below(run, attempt_span_id(run.id, unit, attempt))

    def of_new_run(self, run: UUID, given: str | None) -> str | None:
        """What a new run keeps: the span above it, or, where nobody traced before, itself as the root."""
        if parse_traceparent(given) is not None:
            return given
        root = parse_traceparent(self.tracing.root())
        return None if root is None else str(root.child(run_span_id(run)))

    def _is_traced(self, run: Run) -> bool:
        return self.tracing.is_on and is_sampled(run.traceparent)

    def _below(self, run: Run, span_id: str) -> str | None:
        above = parse_traceparent(run.traceparent)
        return None if above is None else str(above.child(span_id))


HANDED_ON = SpanContexts()
