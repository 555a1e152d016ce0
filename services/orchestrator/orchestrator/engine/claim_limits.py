"""Limits of what runs at once, kept where attempts are granted: by the live rows, in the transaction of the grant."""

from collections import Counter
from collections.abc import Callable, Sequence

import asyncpg

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed, RunEvent
from orchestrator.domain.run import NodeState, Run
from orchestrator.engine.admission import Item, Runs
from orchestrator.engine.capacity import Capacity
from orchestrator.store.capacity import Scope, lock_limits, running_under
from penstock.telemetry import metrics

OnRefused = Callable[[Run, str], None]


class LimitGate:
    """Concerns only claims of a project or pool that has a limit. `on_refused` gets what stays to be had."""

    def __init__(self, capacity: Capacity, *, on_refused: OnRefused) -> None:
        self._capacity = capacity
        self._on_refused = on_refused

    async def concerns(self, items: Sequence[Item], runs: Runs) -> bool:
        return self._capacity.has_limits and bool(self._scopes(items, runs))

    async def open(self, connection: asyncpg.Connection, items: Sequence[Item], runs: Runs) -> "LimitPassage":
        """Nobody else grants under these limits until the transaction ends."""
        scopes = self._scopes(items, runs)
        await lock_limits(connection, sorted(scopes))
        rows = await running_under(connection, scopes)
        running = {scope: sum(row.is_of(scope) for row in rows) for scope in scopes}
        return LimitPassage(self._capacity, running, self._on_refused)

    def _scopes(self, items: Sequence[Item], runs: Runs) -> set[Scope]:
        found: set[Scope] = set()
        for id_, event in items:
            if isinstance(event, AttemptClaimed) and id_ in runs:
                found.update(scopes_of(self._capacity, runs[id_], event))
        return found


class LimitPassage:
    """One batch: claims are granted in their order, as long as there is room."""

    def __init__(self, capacity: Capacity, running: dict[Scope, int], on_refused: OnRefused) -> None:
        self._capacity = capacity
        self._room = Counter({scope: capacity.maximum(scope) - count for scope, count in running.items()})
        self._on_refused = on_refused

    def consider(self, run: Run, event: RunEvent) -> RunEvent | None:
        """A claim that would be granted needs room; the repeated claim of what runs has its slot."""
        if not isinstance(event, AttemptClaimed) or not _is_to_be_had(run, event):
            return event
        full = [scope for scope in self._scopes(run, event) if self._room[scope] <= 0]
        if not full:
            return event
        for scope in full:
            self._capacity.is_full(scope)
        metrics.CLAIMS_OVER_LIMIT.inc()
        self._on_refused(run, event.node)
        return None

    def took(self, before: Run, event: RunEvent, outcome: Outcome) -> None:
        if isinstance(event, AttemptClaimed) and outcome is Outcome.APPLIED:
            self._room.subtract(self._scopes(before, event))

    def _scopes(self, run: Run, event: AttemptClaimed) -> list[Scope]:
        return [scope for scope in scopes_of(self._capacity, run, event) if scope in self._room]

    async def save(self) -> None:
        """Nothing to write: the rows of the attempts are the count."""

    async def after_save(self) -> None:
        """Nothing either."""


def scopes_of(capacity: Capacity, run: Run, event: AttemptClaimed) -> list[Scope]:
    """The limits that this claim counts for."""
    pool = event.pool or (run.plan.work(event.node).pool if event.node in run.nodes else "")
    return capacity.limits_of(run.project, pool)


def _is_to_be_had(run: Run, event: AttemptClaimed) -> bool:
    unit = run.nodes.get(event.node)
    return unit is not None and unit.state is NodeState.READY and unit.attempt == event.attempt
