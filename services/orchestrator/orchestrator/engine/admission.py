"""What stands before an attempt besides its run: gates that are asked, in their order, in the batch's transaction.

A batch that concerns no gate is saved without a transaction of its own. Otherwise the order of locks is: what the
gates lock, gate by gate; then the runs in id order, then nodes. A save that proves stale takes the gates' changes
back with it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeAlias
from uuid import UUID

import asyncpg

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import RunEvent
from orchestrator.domain.run import Run

Item: TypeAlias = tuple[UUID, RunEvent]
Runs: TypeAlias = Mapping[UUID, Run]


class Passage(Protocol):
    """A gate during one batch. What it must lock is locked; its verdicts need no I/O."""

    def consider(self, run: Run, event: RunEvent) -> RunEvent | None:
        """The event as the run shall decide on it, perhaps with what is against it; None: refused at once."""
        ...

    def took(self, before: Run, event: RunEvent, outcome: Outcome) -> None:
        """How `before` took the event that was considered."""
        ...

    async def save(self) -> None:
        """Write what changed, before the runs are saved."""
        ...

    async def after_save(self) -> None:
        """What must not lock before the runs; still in the transaction."""
        ...


class Gate(Protocol):
    async def concerns(self, items: Sequence[Item], runs: Runs) -> bool:
        """Whether this batch can change what the gate knows, or be refused by it. Cheap: asked each time."""
        ...

    async def open(self, connection: asyncpg.Connection, items: Sequence[Item], runs: Runs) -> Passage:
        """Lock, in the transaction of `connection`, what the verdicts depend on."""
        ...


class Admitted:
    """One batch on its way through the gates. Save on `connection`, then `commit`."""

    def __init__(self, connection: asyncpg.Pool | asyncpg.Connection, passages: Sequence[Passage]) -> None:
        self.connection = connection
        self.committed = False
        self._passages = passages

    def consider(self, run: Run, event: RunEvent) -> RunEvent | None:
        considered: RunEvent | None = event
        for passage in self._passages:
            if considered is None:
                break
            considered = passage.consider(run, considered)
        return considered

    def took(self, before: Run, event: RunEvent, outcome: Outcome) -> None:
        for passage in self._passages:
            passage.took(before, event, outcome)

    async def save(self) -> None:
        for passage in self._passages:
            await passage.save()

    async def after_save(self) -> None:
        """The runs are saved: the transaction commits when the batch is left."""
        for passage in self._passages:
            await passage.after_save()
        self.committed = True


class Admission:
    """The gates in the order in which they lock."""

    def __init__(self, pool: asyncpg.Pool, gates: Sequence[Gate]) -> None:
        self._pool = pool
        self._gates = gates

    @asynccontextmanager
    async def begin(self, items: Sequence[Item], runs: Runs) -> AsyncIterator[Admitted]:
        """Leaving without `after_save` takes everything back."""
        gates = [gate for gate in self._gates if await gate.concerns(items, runs)]
        if not gates:
            yield Admitted(self._pool, ())
            return
        async with self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                admitted = Admitted(connection, [await gate.open(connection, items, runs) for gate in gates])
                yield admitted
            except BaseException:
                await transaction.rollback()
                raise
            if admitted.committed:
                await transaction.commit()
            else:
                await transaction.rollback()
