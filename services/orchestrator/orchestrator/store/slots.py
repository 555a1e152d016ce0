"""Slots of concurrency keys. A slot is an open run that is not queued: nothing is counted up or down, so nothing
can leak. Who gives slots away holds the key's lock until the run that took one is committed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value

# Keys in order, so that two lists that share some cannot wait for each other.
_LOCK = """
select pg_advisory_xact_lock(hashtextextended(k, 7069)) from unnest($1::text[]) as k order by k
"""

_HOLDERS = """
select r.id, r.state = 'queued' as queued
from run r
where r.project = $1 and r.workflow = $2 and r.concurrency_key = $3 and r.ended_at is null
order by r.state = 'queued', case when r.state = 'queued' then r.priority end, r.created_at, r.id
"""

_WAITED_FOR = """
select distinct r.project, r.workflow, r.concurrency_key as key
from run r
where r.state = 'queued' and r.concurrency_key is not null and r.ended_at is null
  and not exists (
    select from workflow w where w.project = r.project and w.name = r.workflow and w.paused_at is not null
  )
limit $1
"""

_IS_PAUSED = "select paused_at is not null from workflow where project = $1 and name = $2"


class SlotKey(Value, frozen=True, order=True):
    """What runs share: the same text in two workflows is two keys."""

    project: str
    workflow: str
    key: str

    @property
    def lock(self) -> str:
        return f"{self.project}/{self.workflow}/{self.key}"


class Queue(Value, frozen=True):
    """Runs with the same key: who has a slot, the oldest first, and who waits, the next one first."""

    holders: tuple[UUID, ...]
    waiting: tuple[UUID, ...]


@asynccontextmanager
async def locked_keys(pool: asyncpg.Pool, keys: Sequence[SlotKey]) -> AsyncIterator[asyncpg.Connection]:
    """Nobody else gives away slots of these keys until the block has ended; what it writes is committed then."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_LOCK, sorted({key.lock for key in keys}))
        yield connection


async def queue_of(connection: asyncpg.Connection, key: SlotKey) -> Queue:
    rows = await connection.fetch(_HOLDERS, key.project, key.workflow, key.key)
    return Queue(
        holders=tuple(row["id"] for row in rows if not row["queued"]),
        waiting=tuple(row["id"] for row in rows if row["queued"]),
    )


async def is_paused(connection: asyncpg.Connection, key: SlotKey) -> bool:
    """Whether the runs of the key's workflow are not to begin."""
    return bool(await connection.fetchval(_IS_PAUSED, key.project, key.workflow))


async def waited_for(pool: asyncpg.Pool, *, keys_max: int) -> list[SlotKey]:
    """Keys for which runs are queued that may begin."""
    return [SlotKey(**dict(row)) for row in await pool.fetch(_WAITED_FOR, keys_max)]
