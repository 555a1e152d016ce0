"""The least of a run that the engine asks for without loading it."""

from uuid import UUID

import asyncpg

from penstock.contracts.value import Value

_HEAD = "select project, version, ended_at is not null as ended from run where id = $1"


class Head(Value, frozen=True):
    project: str
    version: int
    ended: bool


async def run_head(pool: asyncpg.Pool, run: UUID) -> Head | None:
    row = await pool.fetchrow(_HEAD, run)
    return None if row is None else Head(**dict(row))
