"""What is due: nodes whose timer has passed, and runs whose deadline has."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from penstock.contracts.limits import READY_UNCLAIMED_MAX
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

DUE_ROWS_MAX = 500  # one sweep's share; what is left comes a second later

_NODES = """
select run_id, name, state, attempt, token, publication, deadline_at <= now() as overdue
from node where wake_at <= now() and (token is not null or state in ('ready', 'backoff'))
order by wake_at limit $1
"""

_NODES_BUT_LEASES = """
select run_id, name, state, attempt, token, publication, deadline_at <= now() as overdue
from node where wake_at <= now() and state in ('ready', 'backoff')
order by wake_at limit $1
"""

# A timer only, so no run is locked; the order of the locks is that of renewals.
_POSTPONE = """
with waiting as materialized (
  select n.run_id, n.name
  from unnest($1::uuid[], $2::text[]) as a (run_id, name)
  join node n on n.run_id = a.run_id and n.name = a.name
  where n.state = 'ready'
  order by n.run_id, n.name
  for update of n skip locked
)
update node n set wake_at = now() + $3::interval
from waiting w where n.run_id = w.run_id and n.name = w.name
"""
# What waits without a runner is looked at again later, whatever becomes of it now: the timer is set again at once,
# and so only one of several orchestrators looks.
_WITHOUT_RUNNER = """
with due as materialized (
  select run_id, name from node
  where wake_at <= now() and token is null and state in ('running', 'suspended')
  order by wake_at limit $1
  for update skip locked
)
update node n set wake_at = least(now() + $2::interval, case when n.deadline_at > now() then n.deadline_at end)
from due d where n.run_id = d.run_id and n.name = d.name
returning n.run_id, n.name, n.state, n.attempt, n.token, n.publication,
  coalesce(n.deadline_at <= now(), false) as overdue
"""
LOOKED_AT_AGAIN = timedelta(seconds=10)

_RUNS = "select id from run where deadline_at <= now() order by deadline_at limit $1"


class DueNode(Value, frozen=True):
    run_id: UUID
    name: str
    state: str
    attempt: int
    token: UUID | None
    publication: int
    overdue: bool | None = None  # the deadline of what waits without a runner has passed


@measured
async def due_nodes(pool: asyncpg.Pool, *, leases: bool) -> list[DueNode]:
    """Nodes whose timer has passed, oldest first; without `leases`, none that a runner holds."""
    rows = await pool.fetch(_NODES if leases else _NODES_BUT_LEASES, DUE_ROWS_MAX)
    waiting = await pool.fetch(_WITHOUT_RUNNER, DUE_ROWS_MAX, LOOKED_AT_AGAIN)
    return [DueNode(**dict(row)) for row in (*rows, *waiting)]


@measured
async def postpone(pool: asyncpg.Pool, nodes: Sequence[DueNode]) -> None:
    """Look at these offers again later: they wait for their turn, and nobody could take them before it."""
    await pool.execute(_POSTPONE, [n.run_id for n in nodes], [n.name for n in nodes], READY_UNCLAIMED_MAX)


@measured
async def due_runs(pool: asyncpg.Pool) -> list[UUID]:
    """Runs that have taken longer than their timeout."""
    return [row["id"] for row in await pool.fetch(_RUNS, DUE_ROWS_MAX)]
