"""What gauges show: how many of what there are now. Each read goes by a partial index, over what is open."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import asyncpg

from orchestrator.store.runners import RUNNER_ALIVE
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

RUNNER_REMEMBERED = timedelta(hours=1)  # a pool whose last runner vanished longer ago is not in use any more
READY_GROUPS_MAX = 2_000  # nodes of workflow versions; those with the most attempts count
BREAKERS_MAX = 1_000

_RUNS = """
select project, state, ended_at is null as open, count(*) as runs,
       extract(epoch from now() - min(changed_at) filter (where published < version))::float8 as lag_s
from run where not settled
group by project, state, ended_at is null
"""

_READY = """
select r.project, r.workflow, r.workflow_version as version, coalesce(n.part_of, n.name) as node,
       n.name like '%:undo' as is_undo, count(*) as attempts,
       extract(epoch from now() - min(n.ready_at))::float8 as oldest_s
from node n join run r on r.id = n.run_id
where n.wake_at is not null and n.state = 'ready'
group by 1, 2, 3, 4, 5
order by attempts desc limit $1
"""

# One whose sandbox does not hold has no slots, and is none. One that left in good order is not missed.
_RUNNERS = """
select pool, count(*) filter (where slots > 0 and seen_at > now() - $1::interval) as runners
from runner where left_at is null and seen_at > now() - $2::interval
group by pool
"""

_BREAKERS = "select project, key, state from breaker order by state = 'closed', project, key limit $1"

_TOOK = """
select id, extract(epoch from ended_at - created_at)::float8 as seconds
from run where id = any($1::uuid[]) and ended_at is not null
"""


class RunCount(Value, frozen=True):
    """Runs that are not settled. `open`: they have not ended. `lag_s`: for how long one has had untold events."""

    project: str
    state: str
    open: bool
    runs: int
    lag_s: float | None


class ReadyCount(Value, frozen=True):
    """Attempts that wait for a runner: of one node of one version, or of what undoes it."""

    project: str
    workflow: str
    version: int
    node: str
    is_undo: bool
    attempts: int
    oldest_s: float


@measured
async def unsettled_runs(pool: asyncpg.Pool) -> list[RunCount]:
    return [RunCount(**dict(row)) for row in await pool.fetch(_RUNS)]


@measured
async def ready_attempts(pool: asyncpg.Pool) -> list[ReadyCount]:
    return [ReadyCount(**dict(row)) for row in await pool.fetch(_READY, READY_GROUPS_MAX)]


@measured
async def living_runners(pool: asyncpg.Pool) -> dict[str, int]:
    """Runners that live, by pool; a pool that had some lately is among them with 0."""
    rows = await pool.fetch(_RUNNERS, RUNNER_ALIVE, RUNNER_REMEMBERED)
    return {row["pool"]: row["runners"] for row in rows}


@measured
async def breaker_states(pool: asyncpg.Pool) -> list[tuple[str, str, str]]:
    """(project, breaker, state), those that are not closed first."""
    rows = await pool.fetch(_BREAKERS, BREAKERS_MAX)
    return [(row["project"], row["key"], row["state"]) for row in rows]


@measured
async def seconds_taken(pool: asyncpg.Pool, runs: Iterable[UUID]) -> dict[UUID, float]:
    """How long these runs took from accepted to ended."""
    return {row["id"]: row["seconds"] for row in await pool.fetch(_TOOK, list(runs))}
