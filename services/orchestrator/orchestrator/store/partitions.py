"""The monthly partitions of the timeline: made ahead of time, dropped when no run of their month is left."""

from uuid import UUID

import asyncpg

from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

LOCK_TIMEOUT = "2s"  # whoever waits for a table's lock lets everybody else wait behind it

_LIMIT_WAIT = f"set local lock_timeout = '{LOCK_TIMEOUT}'"

_ADD = """
select penstock_add_month(moment) from (values (now()), (now() + interval '1 month')) as ahead (moment)
"""

_PAST = """
select
  name,
  penstock_first_id(month at time zone 'UTC') as low,
  penstock_first_id((month + interval '1 month') at time zone 'UTC') as high
from (
  select c.relname as name, to_date(right(c.relname, 7), 'YYYY_MM')::timestamp as month
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'run_event'::regclass and c.relname ~ '^run_event_[0-9]{4}_[0-9]{2}$'
) as months
where month < date_trunc('month', now() at time zone 'UTC')
order by name
"""

_LOCK = "lock table only run_event in access exclusive mode"
_IS_EMPTY = """
select to_regclass($1) is not null and not exists (select from run where id >= $2 and id < $3)
"""
_DROP = "alter table run_event detach partition {name}; drop table {name}"


class Month(Value, frozen=True):
    """A partition of the past, and the ids of its runs: `low` ≤ id < `high`."""

    name: str
    low: UUID
    high: UUID


@measured
async def add_months(pool: asyncpg.Pool) -> None:
    """Make sure of the partitions of this month and of the next. Raises LockNotAvailableError."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_LIMIT_WAIT)
        await connection.execute(_ADD)


@measured
async def past_months(source: asyncpg.Pool | asyncpg.Connection) -> list[Month]:
    return [Month(**dict(row)) for row in await source.fetch(_PAST)]


@measured
async def drop_empty_months(pool: asyncpg.Pool) -> list[str]:
    """Drop the partitions of the past without a run; returns their names. Raises LockNotAvailableError."""
    return [month.name for month in await past_months(pool) if await _drop(pool, month)]


async def _drop(pool: asyncpg.Pool, month: Month) -> bool:
    """Asked twice: without the lock that stops all writers, and again under it."""
    if not await pool.fetchval(_IS_EMPTY, month.name, month.low, month.high):
        return False
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_LIMIT_WAIT)
        await connection.execute(_LOCK)
        empty = await connection.fetchval(_IS_EMPTY, month.name, month.low, month.high)
        if empty:
            await connection.execute(_DROP.format(name=month.name))
        return bool(empty)
