"""Workflows that are paused: the flag in the workflow's row, who set it, and the runs that do not agree with it yet."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value

RUNS_ROWS_MAX = 500  # what one transaction of the engine takes
RESUMING = timedelta(
    seconds=60
)  # whoever started or paused a run in the belief of the former flag is done by then

_PAUSE = """
with changed as (
  update workflow set paused_at = now(), paused_by = $3, pause_reason = $4, resuming_since = null
  where project = $1 and name = $2 and paused_at is null
  returning project, name
)
insert into workflow_event (project, workflow, action, by, reason)
select project, name, 'paused', $3, $4 from changed
"""

_RESUME = """
with changed as (
  update workflow set paused_at = null, paused_by = null, pause_reason = null, resuming_since = now()
  where project = $1 and name = $2 and paused_at is not null
  returning project, name
)
insert into workflow_event (project, workflow, action, by, reason)
select project, name, 'resumed', $3, $4 from changed
"""

_PAUSING = """
select w.project, w.name as workflow, w.paused_at as since,
  coalesce(w.paused_by, e.by) as by, coalesce(w.pause_reason, e.reason) as reason
from workflow w
cross join lateral (
  select by, reason from workflow_event e where e.project = w.project and e.workflow = w.name
  order by id desc limit 1
) e
where w.paused_at is not null or w.resuming_since is not null
"""

# Open runs are never settled: that index has them, and no ended ones.
_RUNS = """
select id from run
where not settled and project = $1 and workflow = $2 and state = $3
  and ($3 = 'running' or detail -> 'pause' ->> 'cause' = 'workflow')
order by id limit $4
"""

_RESUMED = """
update workflow set resuming_since = null
where project = $1 and name = $2 and resuming_since < now() - $3::interval
"""

_OF_RUN = """
select w.project, w.name as workflow, w.paused_at as since, w.paused_by as by, w.pause_reason as reason
from run r
join workflow w on w.project = r.project and w.name = r.workflow
where r.id = $1 and w.paused_at is not null and r.detail -> 'pause' ->> 'cause' is distinct from 'compensation'
"""


class Pausing(Value, frozen=True):
    """A workflow that is paused, or with `since` None one that was resumed; by whom, and why."""

    project: str
    workflow: str
    since: datetime | None
    by: str
    reason: str


async def pause_workflow(pool: asyncpg.Pool, project: str, workflow: str, *, by: str, reason: str) -> None:
    """One that is paused already stays so, by whom and why it is."""
    await pool.execute(_PAUSE, project, workflow, by, reason)


async def resume_workflow(pool: asyncpg.Pool, project: str, workflow: str, *, by: str, reason: str) -> None:
    await pool.execute(_RESUME, project, workflow, by, reason)


async def pausing_workflows(pool: asyncpg.Pool | asyncpg.Connection) -> list[Pausing]:
    """Those that are paused, and those whose runs are being resumed."""
    return [Pausing(**dict(row)) for row in await pool.fetch(_PAUSING)]


async def runs_against(pool: asyncpg.Pool, pausing: Pausing) -> list[UUID]:
    """Runs that go on though their workflow is paused, or are paused with it though it is not."""
    state = "running" if pausing.since is not None else "paused"
    rows = await pool.fetch(_RUNS, pausing.project, pausing.workflow, state, RUNS_ROWS_MAX)
    return [row["id"] for row in rows]


async def forget_resumed(pool: asyncpg.Pool, pausing: Pausing) -> None:
    """None of its runs is paused with it any more, and none will be."""
    await pool.execute(_RESUMED, pausing.project, pausing.workflow, RESUMING)


async def pause_over(pool: asyncpg.Pool, run: UUID) -> Pausing | None:
    """What keeps this run from going on, unless only its undoing is to go on."""
    row = await pool.fetchrow(_OF_RUN, run)
    return None if row is None else Pausing(**dict(row))
