"""Limits of what runs at once, kept where attempts are granted: by the live rows, in the transaction of the grant."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import asyncpg

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed, RunEvent
from orchestrator.domain.run import Run
from orchestrator.engine.capacity import Capacity
from orchestrator.store.capacity import Scope, lock_limits, running_under
from penstock.telemetry import metrics

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LimitedClaim:
    """A claim that would be granted, if the limits that it counts for have room. `position` is its in the batch."""

    position: int
    run: Run
    node: str
    scopes: tuple[Scope, ...]


class OverLimit(Exception):
    """Some claims of the batch find no room: nothing was written, and they must be refused."""

    def __init__(self, claims: list[LimitedClaim]) -> None:
        super().__init__(f"{len(claims)} claims are over a limit")
        self.claims = claims


class ClaimLimits:
    """Counts before it lets a batch be written. A batch without a limited claim never comes here."""

    def __init__(
        self, pool: asyncpg.Pool, capacity: Capacity, *, on_refused: Callable[[Run, str], None]
    ) -> None:
        self._pool = pool
        self._capacity = capacity
        self._on_refused = on_refused

    @property
    def are_set(self) -> bool:
        """Whether any claim can be over a limit."""
        return self._capacity.has_limits

    def claims(
        self, items: Sequence[tuple[UUID, RunEvent]], answers: Sequence[object], runs: Mapping[UUID, Run]
    ) -> list[LimitedClaim]:
        """The claims among `items` that were decided for, and count for a limit."""
        found = []
        for position, ((id_, event), answer) in enumerate(zip(items, answers, strict=True)):
            if answer is not Outcome.APPLIED or not isinstance(event, AttemptClaimed):
                continue
            run = runs[id_]
            pool = event.pool or run.plan.work(event.node).pool
            if scopes := self._capacity.limits_of(run.project, pool):
                found.append(LimitedClaim(position, run, event.node, tuple(scopes)))
        return found

    async def save(
        self, claims: Sequence[LimitedClaim], write: Callable[[asyncpg.Connection], Awaitable[T]]
    ) -> T:
        """Call `write` if there is room for all of `claims`, with nobody else granting meanwhile; else OverLimit."""
        scopes = sorted({scope for claim in claims for scope in claim.scopes})
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_limits(connection, scopes)
            rows = await running_under(connection, scopes)
            running = {scope: sum(row.is_of(scope) for row in rows) for scope in scopes}
            if over := self._over(claims, running):
                raise OverLimit(over)
            return await write(connection)

    def _over(self, claims: Sequence[LimitedClaim], running: dict[Scope, int]) -> list[LimitedClaim]:
        """The claims that find no room, when they are served in their order."""
        room = Counter({scope: self._capacity.maximum(scope) - count for scope, count in running.items()})
        over = []
        for claim in claims:
            full = [scope for scope in claim.scopes if room[scope] <= 0]
            if full:
                over.append(claim)
                for scope in full:
                    self._capacity.is_full(scope)
            else:
                room.subtract(claim.scopes)
        return over

    def refuse(self, claims: Sequence[LimitedClaim]) -> None:
        """These stay ready; the dispatcher offers them again when there is room."""
        metrics.CLAIMS_OVER_LIMIT.inc(len(claims))
        for claim in claims:
            self._on_refused(claim.run, claim.node)
