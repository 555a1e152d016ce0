"""The hot write: everything that a batch of decisions changed, in one guarded statement (sql/save.sql)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec.structs import astuple

from orchestrator.store.sql import statement
from penstock.contracts.limits import CLAIM_GRACE
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

_SAVE = statement("save")


class RunWrite(Value, frozen=True):
    """Type run_write_2: a run after its decisions; `expected` is the version that they were made on."""

    id: UUID
    expected: int
    version: int
    state: str
    nodes_open: int
    output: str | None
    failure: str | None
    cancel_reason: str | None
    detail: str | None
    timeout: timedelta


class NodeWrite(Value, frozen=True):
    """Type node_write_3: a unit after its decisions. `attempt_expected` is None for one that has no row yet."""

    run_id: UUID
    name: str
    part_of: str | None
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
    answers: str | None  # None: as it was
    failure: str | None
    detail: str | None
    topic: str | None
    completed_version: int | None
    wake_in: timedelta | None
    wake_until: datetime | None
    deadline_in: timedelta | None
    attempt_expected: int | None
    token_expected: UUID | None


class EventWrite(Value, frozen=True):
    """Type event_write: a fact with its place in the timeline."""

    run_id: UUID
    seq: int
    kind: str
    node: str | None
    attempt: int | None
    data: str


class Saved(Value, frozen=True):
    """`ok` or nothing at all was written; then `stale` names the runs that changed since they were read."""

    ok: bool
    at: datetime
    stale: frozenset[UUID]


def deadline_of(timeout: timedelta) -> timedelta:
    """How long a lease on a node with this timeout can be renewed."""
    return timeout + CLAIM_GRACE


@measured
async def save(
    connection: asyncpg.Pool | asyncpg.Connection,
    runs: Sequence[RunWrite],
    nodes: Sequence[NodeWrite],
    events: Sequence[EventWrite],
) -> Saved:
    """Write it all, or nothing. Raises asyncpg.PostgresError with sqlstate PS001 when the fence refused it."""
    row = await connection.fetchrow(_SAVE, rows_of(runs), rows_of(nodes), rows_of(events))
    assert row is not None
    return Saved(ok=row["ok"], at=row["at"], stale=frozenset(row["stale"]))


def rows_of(values: Sequence[Value]) -> list[tuple[object, ...]]:
    """Values as rows of the composite type that has their fields, in the same order."""
    return [astuple(value) for value in values]
