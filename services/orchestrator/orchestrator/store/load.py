"""Reading runs back: their rows as values, for runs that are not in memory at the version that counts."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from orchestrator.domain.rebuild import tell_all, units_named
from orchestrator.domain.run import RunState
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

Connection: TypeAlias = PoolConnectionProxy

UNITS_FEW_MAX = 32  # units of a run that is read whole: asking the timeline first is one more round trip

_RUNS = """
select id, project, workflow, workflow_version, state, version, published, nodes_total, nodes_open,
       input, output, failure, cancel_reason, labels, traceparent, priority, started_by, parent_run,
       source_run, concurrency_key, detail
from run where id = any($1::uuid[])
"""

_UNIT = """
n.run_id, n.name, n.state, n.attempt, n.first_attempt, n.iteration, n.token, n.runner, n.publication,
n.input, coalesce(n.output, o.output) as output, n.output_run, n.previous, n.answers, n.failure, n.detail,
n.completed_version
"""

_ORIGIN = "left join node o on o.run_id = n.output_run and o.name = n.name"

_ALL_NODES = f"select {_UNIT} from node n {_ORIGIN} where n.run_id = any($1::uuid[])"

_NAMED_NODES = f"""
select {_UNIT} from unnest($1::uuid[], $2::text[]) as named (run_id, name)
join node n on n.run_id = named.run_id and n.name = named.name {_ORIGIN}
"""

_NEWS = """
select known.run_id, count(*) as events, array_agg(distinct e.kind) as kinds,
       coalesce(array_agg(distinct e.node) filter (where e.node is not null), '{}') as nodes
from unnest($1::uuid[], $2::bigint[]) as known (run_id, version)
join run_event e on e.run_id = known.run_id and e.seq > known.version
group by known.run_id
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
    answers: str | None
    failure: str | None
    detail: str | None
    completed_version: int | None


class Known(Value, frozen=True):
    """What is in memory of a run: its version, and how many units it had."""

    version: int
    units: int


class LoadedRun(Value, frozen=True):
    """A run's row, and the rows of its units: all, or (when `since` says so) those that changed."""

    run: RunRow
    nodes: list[NodeRow]
    since: int | None = None  # the version that was known


@measured
async def load_runs(
    pool: asyncpg.Pool, ids: Collection[UUID], known: Mapping[UUID, Known]
) -> list[LoadedRun]:
    """The runs among `ids` that exist, each as it was at one moment.

    One snapshot: with a commit between the reads, the counters of a run would contradict its nodes.
    """
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        runs = [RunRow(**dict(row)) for row in await connection.fetch(_RUNS, list(ids))]
        named = await _named_since(connection, runs, known)
        nodes: dict[UUID, list[NodeRow]] = {run.id: [] for run in runs}
        for row in await _fetch_nodes(connection, runs, named):
            nodes[row["run_id"]].append(NodeRow(**dict(row)))
    return [LoadedRun(run, nodes[run.id], known[run.id].version if run.id in named else None) for run in runs]


async def _named_since(
    connection: Connection, runs: Iterable[RunRow], known: Mapping[UUID, Known]
) -> dict[UUID, frozenset[str]]:
    """For each run whose timeline tells it: the units that changed since. All others are to be read whole."""
    large = {id_: k.version for id_, k in known.items() if k.units > UNITS_FEW_MAX}
    if not large:
        return {}
    rows = await connection.fetch(_NEWS, list(large), list(large.values()))
    news = {row["run_id"]: row for row in rows}
    return {
        run.id: units_named(news[run.id]["nodes"])
        for run in runs
        if run.id in news and _tells_all(run, news[run.id], known[run.id])
    }


def _tells_all(run: RunRow, news: asyncpg.Record, known: Known) -> bool:
    """A timeline that was shortened since does not; and to read half of the units one by one is no less work."""
    is_complete: bool = news["events"] == run.version - known.version
    is_little = len(news["nodes"]) * 2 <= known.units
    return is_complete and is_little and tell_all(RunState(run.state), news["kinds"])


async def _fetch_nodes(
    connection: Connection, runs: Iterable[RunRow], named: Mapping[UUID, Collection[str]]
) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = []
    if whole := [run.id for run in runs if run.id not in named]:
        rows += await connection.fetch(_ALL_NODES, whole)
    if pairs := [(run, name) for run, names in named.items() for name in names]:
        rows += await connection.fetch(_NAMED_NODES, [run for run, _ in pairs], [name for _, name in pairs])
    return rows


@measured
async def load_definition(pool: asyncpg.Pool, *, project: str, name: str, version: int) -> str | None:
    """The canonical document of one workflow version, as JSON text."""
    source: str | None = await pool.fetchval(_DEFINITION, project, name, version)
    return source


@measured
async def load_run_version(connection: asyncpg.Connection, run: UUID) -> int:
    """Which version of its workflow the run executes."""
    version: int = await connection.fetchval("select workflow_version from run where id = $1", run)
    return version
