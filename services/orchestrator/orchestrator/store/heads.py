"""The least of a run that the engine asks for without loading it."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value

_HEAD = "select project, version, ended_at is not null as ended from run where id = $1"


_OTHER_VERSION = """
select r.id from unnest($1::uuid[], $2::bigint[]) as a (id, version)
join run r on r.id = a.id where r.version <> a.version
"""


class Head(Value, frozen=True):
    project: str
    version: int
    ended: bool


async def stale_runs(pool: asyncpg.Pool, versions: Mapping[UUID, int]) -> list[UUID]:
    """Which of these runs have another version than the one that is known."""
    rows = await pool.fetch(_OTHER_VERSION, list(versions), list(versions.values()))
    return [row["id"] for row in rows]


async def run_head(pool: asyncpg.Pool, run: UUID) -> Head | None:
    row = await pool.fetchrow(_HEAD, run)
    return None if row is None else Head(**dict(row))
