"""Starting runs: a list of them in one statement, each once for its idempotency key (M5)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from orchestrator.store.save import EventWrite, NodeWrite
from orchestrator.store.sql import statement
from penstock.contracts.value import Value

_START = statement("start")

_BY_KEY = """
select k.project, k.key, k.digest, k.run_id
from unnest($1::text[], $2::text[]) as a (project, key)
join idempotency k on k.project = a.project and k.key = a.key
"""


class RunStart(Value, frozen=True):
    """A new run with its first nodes and events. `digest` tells whether the same key came with the same body."""

    id: UUID
    project: str
    key: str | None
    digest: str
    workflow: str
    workflow_version: int
    latest: bool
    state: str
    version: int
    nodes_total: int
    nodes_open: int
    input: str
    output: str | None
    failure: str | None
    labels: str
    priority: int
    traceparent: str | None
    timeout: timedelta
    ended: bool
    nodes: tuple[NodeWrite, ...]
    events: tuple[EventWrite, ...]


class Holder(Value, frozen=True):
    """The run that an idempotency key already belongs to."""

    run_id: UUID
    digest: str


async def start(pool: asyncpg.Pool, runs: Sequence[RunStart]) -> dict[UUID, datetime]:
    """Write the runs whose key is free; returns the moment of each that was written."""
    columns = (*_run_columns(runs), *_node_columns(runs), *_event_columns(runs))
    rows = await pool.fetch(_START, *columns, [run.latest for run in runs])
    return {row["id"]: row["at"] for row in rows}


async def holders(pool: asyncpg.Pool, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Holder]:
    """Who holds these (project, key) pairs."""
    rows = await pool.fetch(_BY_KEY, [project for project, _ in keys], [key for _, key in keys])
    return {(row["project"], row["key"]): Holder(run_id=row["run_id"], digest=row["digest"]) for row in rows}


def _run_columns(runs: Sequence[RunStart]) -> tuple[list[object], ...]:
    names = [
        "id",
        "project",
        "key",
        "digest",
        "workflow",
        "workflow_version",
        "state",
        "version",
        "nodes_total",
        "nodes_open",
        "input",
        "output",
        "failure",
        "labels",
        "priority",
        "traceparent",
        "timeout",
        "ended",
    ]
    return tuple([getattr(run, name) for run in runs] for name in names)


def _node_columns(runs: Sequence[RunStart]) -> tuple[list[object], ...]:
    names = [
        "run_id",
        "name",
        "state",
        "attempt",
        "first_attempt",
        "publication",
        "input",
        "output",
        "failure",
        "wake_in",
    ]
    nodes = [node for run in runs for node in run.nodes]
    return tuple([getattr(node, name) for node in nodes] for name in names)


def _event_columns(runs: Sequence[RunStart]) -> tuple[list[object], ...]:
    names = ["run_id", "seq", "kind", "node", "attempt", "data"]
    events = [event for run in runs for event in run.events]
    return tuple([getattr(event, name) for event in events] for name in names)
