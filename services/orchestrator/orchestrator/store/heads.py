"""The least of a run that the engine asks for without loading it."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from penstock.contracts.failure import Failure
from penstock.contracts.value import Value
from penstock.contracts.wire import decode
from penstock.telemetry.operations import measured

_HEAD = "select project, version, ended_at is not null as ended from run where id = $1"


_OTHER_VERSION = """
select r.id from unnest($1::uuid[], $2::bigint[]) as a (id, version)
join run r on r.id = a.id where r.version <> a.version
"""


class Head(Value, frozen=True):
    project: str
    version: int
    ended: bool


@measured
async def stale_runs(pool: asyncpg.Pool, versions: Mapping[UUID, int]) -> list[UUID]:
    """Which of these runs have another version than the one that is known."""
    rows = await pool.fetch(_OTHER_VERSION, list(versions), list(versions.values()))
    return [row["id"] for row in rows]


@measured
async def run_head(pool: asyncpg.Pool, run: UUID) -> Head | None:
    row = await pool.fetchrow(_HEAD, run)
    return None if row is None else Head(**dict(row))


_ENDED = "select state, output, failure from run where id = $1 and ended_at is not null"


class EndedRun(Value, frozen=True):
    """How a run ended; `output` is JSON."""

    state: str
    output: bytes | None
    failure: Failure | None


@measured
async def ended_run(pool: asyncpg.Pool, run: UUID) -> EndedRun | None:
    """None when it goes on, or does not exist."""
    row = await pool.fetchrow(_ENDED, run)
    if row is None:
        return None
    output, failure = row["output"], row["failure"]
    return EndedRun(
        state=row["state"],
        output=None if output is None else output.encode(),
        failure=None if failure is None else decode(failure.encode(), Failure),
    )
