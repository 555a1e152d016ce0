"""The runner's part of a trace: what the agent did, below the attempt that the orchestrator tells of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent_runner.held import Held
from agent_runner.modes.port import Ended
from penstock.telemetry.span import Attribute
from penstock.telemetry.traceparent import is_sampled
from penstock.telemetry.tracing import Tracing

LOST = "the attempt was stopped without a result: its lease was lost, or the runner stopped at once"
ERROR_CHARS_MAX = 300  # the whole failure is in the timeline


@dataclass(slots=True)
class AttemptSpan:
    """`ended` is filled in by whoever runs the attempt."""

    ended: Ended | None = None


_UNTRACED = AttemptSpan()  # nobody reads what is written to it


class AttemptSpans:
    """`of` surrounds an attempt, and gives it the traceparent that its agent gets."""

    def __init__(self, tracing: Tracing, *, runner: str, pool: str) -> None:
        self._tracing = tracing
        self._about: dict[str, Attribute] = {"penstock.runner": runner, "penstock.pool": pool}

    @contextmanager
    def of(self, held: Held) -> Iterator[AttemptSpan]:
        if not self._tracing.is_on or not is_sampled(held.order.traceparent):
            yield _UNTRACED
            return
        span, start = AttemptSpan(), datetime.now(UTC)
        held.traceparent = self._tracing.begin(held.order.traceparent)
        try:
            yield span
        finally:
            self._emit(held, span.ended, start)

    def _emit(self, held: Held, ended: Ended | None, start: datetime) -> None:
        order, manifest = held.order, held.agent.manifest
        about: dict[str, Attribute] = {
            "penstock.run": str(order.run),
            "penstock.project": order.project,
            "penstock.workflow": order.workflow,
            "penstock.node": order.node,
            "penstock.attempt": order.attempt,
            "penstock.agent": order.agent,
            "penstock.agent_version": manifest.version,
            "penstock.reuse": str(manifest.reuse),
            **self._about,
        }
        if ended is not None:
            about |= {"penstock.tier": ended.tier} if ended.tier else {}
            self._emit_sandbox_start(held, ended, about)
        self._tracing.emit(
            f"agent {order.agent}",
            own=held.traceparent,
            parent=order.traceparent,
            start=start,
            end=datetime.now(UTC),
            attributes=about,
            error=_error(ended),
        )

    def _emit_sandbox_start(self, held: Held, ended: Ended, about: dict[str, Attribute]) -> None:
        """Where an attempt has a sandbox of its own."""
        if ended.sandbox_start_s is None or held.agent_began is None:
            return
        self._tracing.emit(
            "sandbox start",
            own=self._tracing.begin(held.traceparent),
            parent=held.traceparent,
            start=held.agent_began,
            end=held.agent_began + timedelta(seconds=ended.sandbox_start_s),
            attributes=about,
        )


def _error(ended: Ended | None) -> str | None:
    if ended is None:
        return LOST
    failure = ended.failure
    return None if failure is None else f"{failure.type}: {failure.message}"[:ERROR_CHARS_MAX]
