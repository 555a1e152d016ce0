"""Deleting runs that were kept long enough: which ones they are, and everything that is theirs.

A run is due when it has ended longer ago than its project keeps runs, its whole timeline is on the bus, and no
other run refers to it: a fork goes before its source, a parent before its children.
"""

from datetime import timedelta

import asyncpg

from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

RUNS_PER_BATCH_MAX = 100
NODES_PER_BATCH_MAX = 5_000  # a transaction stays short, also with runs of thousands of nodes

# Tables whose rows belong to the run of their `run_id`; tests/engine/test_retention.py holds this to the schema.
TABLES_OF_A_RUN = (
    "store_change",
    "node_progress",
    "node_checkpoint",
    "node_log",
    "run_event",
    "node",
    "idempotency",
    "model_call",
    "budget_account",
    "budget_exceeded",
    "budget_question",
)

_CUTOFFS = """
select p.project, coalesce($2::interval, s.retention, $3::interval) as retention
from (select project from workflow union select $1::text) as p
left join project_settings s on s.project = p.project
where p.project is not null and ($1::text is null or p.project = $1)
"""

# By project and moment of creation, which an index has: what ended before the cutoff was created before it.
OLD = """
from unnest($1::text[], $2::interval[]) as kept (project, retention)
join run r on r.project = kept.project and r.created_at < now() - kept.retention
where r.settled and r.ended_at < now() - kept.retention
"""

_LOCK_DUE = f"""
select r.id, r.nodes_total {OLD}
  and not exists (select from run fork where fork.source_run = r.id)
  and (r.parent_run is null or not exists (select from run parent where parent.id = r.parent_run))
limit $3 for update of r skip locked
"""


class Cutoffs(Value, frozen=True):
    """Of each project, how long it keeps a run after its end."""

    projects: tuple[str, ...]
    retentions: tuple[timedelta, ...]


class Deleted(Value, frozen=True):
    """How much of what."""

    runs: int = 0
    events: int = 0
    log_lines: int = 0

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(self.runs + other.runs, self.events + other.events, self.log_lines + other.log_lines)


@measured
async def read_cutoffs(
    pool: asyncpg.Pool, *, project: str | None, older_than: timedelta | None, default: timedelta
) -> Cutoffs:
    """Of all projects, or of one: `older_than`, or what was set for the project, or the default."""
    rows = await pool.fetch(_CUTOFFS, project, older_than, default)
    return Cutoffs(tuple(row["project"] for row in rows), tuple(row["retention"] for row in rows))


@measured
async def delete_due(pool: asyncpg.Pool, cutoffs: Cutoffs) -> Deleted:
    """One batch in one transaction. Runs that somebody else holds are left to him; none at all: all is done."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(_LOCK_DUE, cutoffs.projects, cutoffs.retentions, RUNS_PER_BATCH_MAX)
        ids = [row["id"] for row in rows[: _fitting([row["nodes_total"] for row in rows])]]
        if not ids:
            return Deleted()
        counts = {table: await _delete(connection, table, "run_id", ids) for table in TABLES_OF_A_RUN}
        runs = await _delete(connection, "run", "id", ids)
        return Deleted(runs=runs, events=counts["run_event"], log_lines=counts["node_log"])


def _fitting(nodes: list[int]) -> int:
    """How many of these runs make one batch: at least one, however large it is."""
    total = 0
    for count, size in enumerate(nodes):
        total += size
        if count and total > NODES_PER_BATCH_MAX:
            return count
    return len(nodes)


async def _delete(connection: asyncpg.Connection, table: str, column: str, ids: list[object]) -> int:
    """The tag of a delete is `DELETE <count>`."""
    tag: str = await connection.execute(f"delete from {table} where {column} = any($1::uuid[])", ids)
    return int(tag.split()[-1])
