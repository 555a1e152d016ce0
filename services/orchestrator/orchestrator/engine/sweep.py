"""What time does: lapsed leases, due retries, deadlines, offers that nobody took, events that never went out."""

import random
import time
from collections.abc import Callable
from uuid import UUID

import asyncpg
import structlog

from orchestrator.domain.decision import PublishReady
from orchestrator.domain.events import (
    DeadlinePassed,
    LeaseLapsed,
    ReadyWentUnclaimed,
    RetryCameDue,
    RunEvent,
    TimerWentOff,
)
from orchestrator.domain.run import NodeState, Run
from orchestrator.engine.committed import Committed
from orchestrator.engine.dispatch import is_ready
from orchestrator.engine.engine import RunEngine
from orchestrator.engine.relay import Relay
from orchestrator.store.outbox import unpublished_events, unpublished_runs
from orchestrator.store.timers import DueNode, due_nodes, due_runs, postpone
from penstock.bus.publisher import NotAcknowledged
from penstock.contracts.timeline import Kind, TimelineEvent
from penstock.telemetry import metrics
from penstock.telemetry.log_fields import about

POSTPONED_LISTS_MAX = 10  # of one sweep: 150,000 offers can wait, each looked at every 30 s
OUTAGE_S = 5.0  # a pause of the sweeps longer than this was an outage

log = structlog.get_logger(__name__)


class Sweep:
    """One pass over everything that is due. Several orchestrators may sweep: who comes late changes nothing."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        engine: RunEngine,
        relay: Relay,
        *,
        lease_s: float,
        bus_is_up: Callable[[], bool],
    ) -> None:
        self._pool = pool
        self._engine = engine
        self._relay = relay
        self._lease_s = lease_s
        self._bus_is_up = bus_is_up
        self._swept_at: float | None = None
        self._leases_from = 0.0

    async def __call__(self) -> None:
        began = time.perf_counter()
        leases = self._may_lapse()
        nodes = await self._due(leases=leases)
        events = [(node.run_id, event_of(node, spread=random.uniform(-1, 1))) for node in nodes]
        deadlines: list[tuple[UUID, RunEvent]] = [
            (run, DeadlinePassed()) for run in await due_runs(self._pool)
        ]
        for _, event in events + deadlines:
            metrics.SWEEP_REPAIRED.labels(type(event).__name__).inc()
        await self._engine.handle(events + deadlines)
        await self._repeat_unpublished()
        await self._engine.pauses.sweep()
        await self._engine.slots.grant_all()
        self._swept_at = time.monotonic()
        metrics.SWEEP_SECONDS.observe(time.perf_counter() - began)

    async def _due(self, *, leases: bool) -> list[DueNode]:
        """Nodes whose timer means something: an offer that waits here for its turn is not unclaimed."""
        for _ in range(POSTPONED_LISTS_MAX):
            due = await due_nodes(self._pool, leases=leases)
            waiting = [node for node in due if self._waits_here(node)]
            if waiting:
                await postpone(self._pool, waiting)
            if len(waiting) < len(due) or not due:
                break
        return [node for node in due if not self._waits_here(node)]

    def _waits_here(self, node: DueNode) -> bool:
        return node.state == NodeState.READY and self._engine.dispatcher.is_waiting(node.run_id, node.name)

    def _may_lapse(self) -> bool:
        """After an outage no lease lapses for one full lease: its holder could not renew."""
        now = time.monotonic()
        paused = self._swept_at is None or now - self._swept_at > OUTAGE_S
        if paused or not self._bus_is_up():
            self._leases_from = now + self._lease_s
        return now >= self._leases_from

    async def _repeat_unpublished(self) -> None:
        ids = await unpublished_runs(self._pool)
        if not ids or not self._bus_is_up():
            return
        events = await unpublished_events(self._pool, ids)
        runs = await self._engine.runs.fetch(ids)
        for id_, run in runs.items():
            if events[id_]:
                await self._repeat(run, events[id_])

    async def _repeat(self, run: Run, events: list[TimelineEvent]) -> None:
        try:
            await self._relay.repeat(Committed(run, tuple(events), offers_of(run, events)))
            metrics.RELAY_REPEATED.inc()
        except NotAcknowledged as error:
            of_run = about(run.id, traceparent=run.traceparent)
            log.warning("sweep.repeat_failed", **of_run, reason=error.reason)


def offers_of(run: Run, events: list[TimelineEvent]) -> tuple[PublishReady, ...]:
    """The offers among `events` that are still open."""
    return tuple(
        PublishReady(event.node, event.attempt, run.nodes[event.node].publication)
        for event in events
        if event.kind is Kind.NODE_READY
        and event.node is not None
        and event.attempt is not None
        and is_ready(run, event.node, event.attempt)
    )


def event_of(node: DueNode, *, spread: float) -> RunEvent:
    """What it means that this node's timer has passed."""
    if node.token is None and node.state in ("suspended", "running"):
        return TimerWentOff(node.name, node.attempt, bool(node.overdue))
    if node.state == "backoff":
        return RetryCameDue(node.name, node.attempt)
    if node.state == "ready":
        return ReadyWentUnclaimed(node.name, node.attempt, node.publication)
    assert node.token is not None, "a running node has a token"
    return LeaseLapsed(node.name, node.attempt, node.token, spread)
