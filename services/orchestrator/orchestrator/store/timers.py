"""What is due: nodes whose timer has passed, and runs whose deadline has."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from penstock.contracts.limits import READY_UNCLAIMED_MAX
from penstock.contracts.value import Value

DUE_ROWS_MAX = 500  # one sweep's share; what is left comes a second later

_NODES = """
select run_id, name, state, attempt, token, publication
from node where wake_at <= now()
order by wake_at limit $1
"""

_NODES_BUT_LEASES = """
select run_id, name, state, attempt, token, publication
from node where wake_at <= now() and state <> 'running'
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

_RUNS = "select id from run where deadline_at <= now() order by deadline_at limit $1"


class DueNode(Value, frozen=True):
    run_id: UUID
    name: str
    state: str
    attempt: int
    token: UUID | None
    publication: int


async def due_nodes(pool: asyncpg.Pool, *, leases: bool) -> list[DueNode]:
    """Nodes whose timer has passed, oldest first; without `leases`, none that a runner holds."""
    rows = await pool.fetch(_NODES if leases else _NODES_BUT_LEASES, DUE_ROWS_MAX)
    return [DueNode(**dict(row)) for row in rows]


async def postpone(pool: asyncpg.Pool, nodes: Sequence[DueNode]) -> None:
    """Look at these offers again later: they wait for their turn, and nobody could take them before it."""
    await pool.execute(_POSTPONE, [n.run_id for n in nodes], [n.name for n in nodes], READY_UNCLAIMED_MAX)


async def due_runs(pool: asyncpg.Pool) -> list[UUID]:
    """Runs that have taken longer than their timeout."""
    return [row["id"] for row in await pool.fetch(_RUNS, DUE_ROWS_MAX)]
