"""What room there is: a copy, at most a second old, of slots, limits and who runs under them.

It decides only what is offered. What is granted is decided on the rows themselves (`claim_limits.py`).
"""

import asyncpg

from orchestrator.engine.committed import Committed
from orchestrator.store.capacity import Running, Scope, limits_set, living_slots, running_under
from penstock.contracts.timeline import Kind

SLOTS_UNKNOWN = 8  # of a pool that no runner has announced itself in yet

Key = tuple[object, str]  # (run, node)


class Capacity:
    """Slots of pools, and room below the limits of projects and pools."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._slots: dict[str, int] = {}
        self._limits: dict[Scope, int] = {}
        self._running: dict[Scope, set[Key]] = {}  # of the limited ones only
        self._full: set[Scope] = set()  # the rows said so since the last look

    async def refresh(self) -> None:
        """Look at the database again."""
        self._slots = await living_slots(self._pool)
        self._limits = await limits_set(self._pool)
        scopes = [scope for scope in self._limits if scope[0] != "starts"]
        rows = await running_under(self._pool, scopes) if scopes else []
        self._running = {scope: _keys_of(rows, scope) for scope in scopes}
        self._full.clear()

    def slots(self, pool: str) -> int:
        return self._slots.get(pool, SLOTS_UNKNOWN)

    @property
    def has_limits(self) -> bool:
        """Whether any project or pool may run only so many attempts."""
        return bool(self._running)

    def starts_per_second(self, project: str) -> int | None:
        """How many runs the project may start in a second, if that was set."""
        return self._limits.get(("starts", project))

    def limits_of(self, project: str, pool: str) -> list[Scope]:
        """The limits that an attempt counts for."""
        if not self._running:
            return []
        return [scope for scope in (("project", project), ("pool", pool)) if scope in self._running]

    def maximum(self, scope: Scope) -> int:
        return self._limits[scope]

    def room(self, scope: Scope) -> int | None:
        """How many more attempts may run; None: no limit."""
        running = self._running.get(scope)
        if running is None:
            return None
        return 0 if scope in self._full else max(0, self._limits[scope] - len(running))

    def is_full(self, scope: Scope) -> None:
        """The rows said that there is no room, whatever this copy says."""
        self._full.add(scope)

    def note(self, commit: Committed) -> None:
        """Keep the copy current with what this orchestrator commits."""
        if not self._running:
            return
        run = commit.run
        for event in commit.events:
            if event.node is None:
                continue
            key = (run.id, event.node)
            unit = run.nodes.get(event.node)
            if unit is None or unit.token is None:
                self._ended(key)
            elif event.kind is Kind.NODE_STARTED:
                pool = run.plan.work(event.node).pool
                for scope in self.limits_of(run.project, pool):
                    self._running[scope].add(key)

    def _ended(self, key: Key) -> None:
        for scope, running in self._running.items():
            if key in running:
                running.remove(key)
                self._full.discard(scope)


def _keys_of(rows: list[Running], scope: Scope) -> set[Key]:
    return {(row.run_id, row.name) for row in rows if row.is_of(scope)}
