"""The hot write: everything that a batch of decisions changed, in one guarded statement (sql/save.sql)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from orchestrator.store.sql import statement
from penstock.contracts.limits import CLAIM_GRACE
from penstock.contracts.value import Value

_SAVE = statement("save")


class RunWrite(Value, frozen=True):
    """A run after its decisions; `expected` is the version that they were made on."""

    id: UUID
    expected: int
    version: int
    state: str
    nodes_open: int
    output: str | None
    failure: str | None
    cancel_reason: str | None
    timeout: timedelta


class NodeWrite(Value, frozen=True):
    """A node after its decisions. `attempt_expected` is None for a node that has no row yet."""

    run_id: UUID
    name: str
    state: str
    attempt: int
    first_attempt: int
    token: UUID | None
    runner: str | None
    publication: int
    input: str | None
    output: str | None
    failure: str | None
    wake_in: timedelta | None
    deadline_in: timedelta | None
    attempt_expected: int | None
    token_expected: UUID | None


class EventWrite(Value, frozen=True):
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


async def save(
    pool: asyncpg.Pool,
    runs: Sequence[RunWrite],
    nodes: Sequence[NodeWrite],
    events: Sequence[EventWrite],
) -> Saved:
    """Write it all, or nothing. Raises asyncpg.PostgresError with sqlstate PS001 when the fence refused it."""
    row = await pool.fetchrow(_SAVE, *_run_columns(runs), *_node_columns(nodes), *_event_columns(events))
    assert row is not None
    return Saved(ok=row["ok"], at=row["at"], stale=frozenset(row["stale"]))


def _run_columns(runs: Sequence[RunWrite]) -> tuple[list[object], ...]:
    return (
        [r.id for r in runs],
        [r.expected for r in runs],
        [r.version for r in runs],
        [r.state for r in runs],
        [r.nodes_open for r in runs],
        [r.output for r in runs],
        [r.failure for r in runs],
        [r.cancel_reason for r in runs],
        [r.timeout for r in runs],
    )


def _node_columns(nodes: Sequence[NodeWrite]) -> tuple[list[object], ...]:
    return (
        [n.run_id for n in nodes],
        [n.name for n in nodes],
        [n.state for n in nodes],
        [n.attempt for n in nodes],
        [n.first_attempt for n in nodes],
        [n.token for n in nodes],
        [n.runner for n in nodes],
        [n.publication for n in nodes],
        [n.input for n in nodes],
        [n.output for n in nodes],
        [n.failure for n in nodes],
        [n.wake_in for n in nodes],
        [n.deadline_in for n in nodes],
        [n.attempt_expected for n in nodes],
        [n.token_expected for n in nodes],
    )


def _event_columns(events: Sequence[EventWrite]) -> tuple[list[object], ...]:
    return (
        [e.run_id for e in events],
        [e.seq for e in events],
        [e.kind for e in events],
        [e.node for e in events],
        [e.attempt for e in events],
        [e.data for e in events],
    )
