"""A dry run: what pruning would delete, down to what only the deleted refer to. Nothing is locked or changed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from orchestrator.store.partitions import past_months
from orchestrator.store.prune import OLD, Cutoffs, Deleted
from penstock.telemetry.operations import measured

TIMEOUT_S = 300.0  # each statement reads everything that is due

STAYING_PAGE = """
select id from run where id > $1 and not exists (select from due where due.id = run.id) order by id limit $2
"""
"""A page of runs for `unnamed_artifacts`, as if what is due were gone."""

_TABLE = "create temp table due (id uuid primary key, version bigint not null) on commit drop"
_FILL = f"insert into due select r.id, r.version {OLD}"

# Until nothing more is found: what a staying run refers to stays, and so does what that refers to.
_KEEP_REFERRED = """
delete from due using run r
where r.id = due.id and (
  exists (
    select from run fork
    where fork.source_run = r.id and not exists (select from due other where other.id = fork.id)
  )
  or exists (
    select from run parent
    where parent.id = r.parent_run and not exists (select from due other where other.id = parent.id)
  )
)
"""

_COUNT = """
select
  count(*) as runs,
  coalesce(sum(version), 0)::bigint as events, -- a timeline has no gaps
  coalesce(sum((select count(*) from node_log l where l.run_id = due.id)), 0)::bigint as log_lines
from due
"""

_IS_ALL_DUE = """
select not exists (
  select from run where id >= $1 and id < $2 and not exists (select from due where due.id = run.id)
)
"""


@asynccontextmanager
async def foretelling(pool: asyncpg.Pool, cutoffs: Cutoffs) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the temporary table `due`: every run that all batches together would delete."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_TABLE)
        await connection.execute(_FILL, cutoffs.projects, cutoffs.retentions, timeout=TIMEOUT_S)
        while await connection.execute(_KEEP_REFERRED, timeout=TIMEOUT_S) != "DELETE 0":
            pass
        yield connection


@measured
async def count_due(connection: asyncpg.Connection) -> Deleted:
    row = await connection.fetchrow(_COUNT, timeout=TIMEOUT_S)
    assert row is not None, "an aggregate gives one row"
    return Deleted(**dict(row))


@measured
async def months_to_drop(connection: asyncpg.Connection) -> list[str]:
    """Partitions of the past without a run that stays."""
    months = await past_months(connection)
    return [month.name for month in months if await connection.fetchval(_IS_ALL_DUE, month.low, month.high)]
