"""Reading runs back: their rows as values, for runs that are not in memory at the version that counts."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value

_RUNS = """
select id, project, workflow, workflow_version, state, version, published, nodes_total, nodes_open,
       input, output, failure, cancel_reason, labels, traceparent, priority, started_by, parent_run,
       source_run, concurrency_key, detail
from run where id = any($1::uuid[])
"""

_NODES = """
select n.run_id, n.name, n.state, n.attempt, n.first_attempt, n.iteration, n.token, n.runner, n.publication,
       n.input, coalesce(n.output, o.output) as output, n.output_run, n.previous, n.failure, n.detail,
       n.completed_version
from node n
left join node o on o.run_id = n.output_run and o.name = n.name
where n.run_id = any($1::uuid[])
"""

_DEFINITION = "select source from workflow_version where project = $1 and name = $2 and version = $3"


class RunRow(Value, frozen=True):
    """A row of `run`. JSON stays text."""

    id: UUID
    project: str
    workflow: str
    workflow_version: int
    state: str
    version: int
    published: int
    nodes_total: int
    nodes_open: int
    input: str
    output: str | None
    failure: str | None
    cancel_reason: str | None
    labels: str
    traceparent: str | None
    priority: int
    started_by: str | None
    parent_run: UUID | None
    source_run: UUID | None
    concurrency_key: str | None
    detail: str | None


class NodeRow(Value, frozen=True):
    """A row of `node`, without its times. JSON stays text."""

    run_id: UUID
    name: str
    state: str
    attempt: int
    first_attempt: int
    iteration: int
    token: UUID | None
    runner: str | None
    publication: int
    input: str | None
    output: str | None
    output_run: UUID | None
    previous: str | None
    failure: str | None
    detail: str | None
    completed_version: int | None


async def load_runs(pool: asyncpg.Pool, ids: Sequence[UUID]) -> list[tuple[RunRow, list[NodeRow]]]:
    """The runs that exist. Runs are read before nodes: nodes that are newer show as a stale version at the save."""
    runs = [RunRow(**dict(row)) for row in await pool.fetch(_RUNS, list(ids))]
    nodes: dict[UUID, list[NodeRow]] = {run.id: [] for run in runs}
    for row in await pool.fetch(_NODES, [run.id for run in runs]):
        nodes[row["run_id"]].append(NodeRow(**dict(row)))
    return [(run, nodes[run.id]) for run in runs]


async def load_definition(pool: asyncpg.Pool, *, project: str, name: str, version: int) -> str | None:
    """The canonical document of one workflow version, as JSON text."""
    source: str | None = await pool.fetchval(_DEFINITION, project, name, version)
    return source


async def load_run_version(connection: asyncpg.Connection, run: UUID) -> int:
    """Which version of its workflow the run executes."""
    version: int = await connection.fetchval("select workflow_version from run where id = $1", run)
    return version
