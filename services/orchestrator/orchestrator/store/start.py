"""Starting runs: a list of them in one statement, each once for its idempotency key (M5)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from orchestrator.store.save import EventWrite, NodeWrite, rows_of
from orchestrator.store.sql import statement
from penstock.contracts.value import Value

_START = statement("start")

_BY_KEY = """
select k.project, k.key, k.digest, k.run_id
from unnest($1::text[], $2::text[]) as a (project, key)
join idempotency k on k.project = a.project and k.key = a.key
"""

_LATEST = "select name, latest_version from workflow where project = $1 and name = any($2::text[]) and active"


class RunStart(Value, frozen=True):
    """Type run_start_2: a new run. `digest` tells whether the same key came with the same body."""

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
    started_by: str | None
    parent_run: UUID | None
    source_run: UUID | None
    concurrency_key: str | None
    detail: str | None
    timeout: timedelta
    ended: bool


class Birth(Value, frozen=True):
    """A new run with its first nodes and events."""

    run: RunStart
    nodes: tuple[NodeWrite, ...]
    events: tuple[EventWrite, ...]


class Holder(Value, frozen=True):
    """The run that an idempotency key already belongs to."""

    run_id: UUID
    digest: str


class Written(Value, frozen=True):
    """When a new run was written, its number within its subject, if it has one, and whether its workflow is
    paused."""

    at: datetime
    number: int | None
    workflow_paused: bool


async def start(pool: asyncpg.Pool | asyncpg.Connection, births: Sequence[Birth]) -> dict[UUID, Written]:
    """Write the runs whose key is free; returns those that were written."""
    runs = rows_of([birth.run for birth in births])
    nodes = rows_of([node for birth in births for node in birth.nodes])
    events = rows_of([event for birth in births for event in birth.events])
    rows = await pool.fetch(_START, runs, nodes, events)
    return {row["id"]: Written(row["at"], row["number"], row["workflow_paused"]) for row in rows}


async def latest_versions(pool: asyncpg.Pool, project: str, workflows: Sequence[str]) -> dict[str, int]:
    """The latest version of each of these workflows that exists and is active."""
    rows = await pool.fetch(_LATEST, project, list(workflows))
    return {row["name"]: row["latest_version"] for row in rows}


async def holders(
    pool: asyncpg.Pool | asyncpg.Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Holder]:
    """Who holds these (project, key) pairs."""
    if not keys:
        return {}
    rows = await pool.fetch(_BY_KEY, [project for project, _ in keys], [key for _, key in keys])
    return {(row["project"], row["key"]): Holder(run_id=row["run_id"], digest=row["digest"]) for row in rows}
