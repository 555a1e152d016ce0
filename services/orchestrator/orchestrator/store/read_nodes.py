"""Reads of one node: its row, its input and output, and its attempts as the timeline tells them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, ScalarSelect, Text, case, cast, func, select

from orchestrator.domain.run import NodeState
from orchestrator.engine.port import Resolved
from orchestrator.engine.views import Attempt, NodeDetail, NodeProgress, NodeView
from orchestrator.store.composed import Database
from orchestrator.store.tables import node, node_progress, run_event, runner
from penstock.contracts.errors import NotFound
from penstock.contracts.failure import Failure
from penstock.contracts.timeline import Kind
from penstock.contracts.workflow import NodeDefinition

_OUTCOMES = {
    Kind.NODE_SUCCEEDED: "succeeded",
    Kind.NODE_ATTEMPT_FAILED: "failed",
    Kind.NODE_FAILED: "failed",
    Kind.NODE_CANCELLED: "cancelled",
    Kind.NODE_RELEASED: "released",
}


class NodeRow(msgspec.Struct, frozen=True, array_like=True):
    """A node as the database writes it into a JSON array, in the order of `node_as_json`."""

    name: str
    state: str
    attempt: int
    runner: str | None
    ready_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    due_at: datetime | None
    output: msgspec.Raw
    output_bytes: int | None
    failure: Failure | None
    publication: int
    progress: NodeProgress | None


class _AttemptData(msgspec.Struct, frozen=True):
    """What the timeline's data says of an attempt; other fields are not for here."""

    runner: str | None = None
    failure: Failure | None = None
    tier: str | None = None


_node_row = msgspec.json.Decoder(NodeRow)
_attempt_data = msgspec.json.Decoder(_AttemptData)


def node_as_json(*, output_bytes_max: ColumnElement[Any] | None = None) -> ColumnElement[str]:
    """The columns of a NodeRow. An output above the limit is left out; its size still tells of it."""
    output_bytes = func.octet_length(cast(node.c.output, Text))
    small = output_bytes <= output_bytes_max if output_bytes_max is not None else node.c.output.is_not(None)
    due_at = case(
        (node.c.state == NodeState.BACKOFF, node.c.wake_at),
        (node.c.state == NodeState.RUNNING, node.c.deadline_at),
    )
    return func.json_build_array(
        node.c.name,
        node.c.state,
        node.c.attempt,
        node.c.runner,
        node.c.ready_at,
        node.c.started_at,
        node.c.ended_at,
        due_at,
        case((small, node.c.output)),
        output_bytes,
        node.c.failure,
        node.c.publication,
        # Only where it says something: a wide run would pay a look-up for each node that has ended.
        case((node.c.state == NodeState.RUNNING, _progress_as_json())),
    )


def _progress_as_json() -> ScalarSelect[Any]:
    told = node_progress.c
    fields = func.json_build_object(
        *("done", told.done, "total", told.total, "message", told.message, "at", told.at)
    )
    is_its = (told.run_id == node.c.run_id, told.node == node.c.name, told.attempt == node.c.attempt)
    return select(fields).where(*is_its).correlate(node).scalar_subquery()


def node_view(row: NodeRow | None, workflow: Resolved, definition: NodeDefinition) -> NodeView:
    """A node has no row while it waits: then the definition says all there is."""
    name, needs = definition.name, workflow.needs[definition.name]
    if row is None:
        return NodeView(name, NodeState.WAITING, definition.agent or "", definition.pool, needs)
    return NodeView(
        name=name,
        state=row.state,
        agent=definition.agent or "",
        pool=definition.pool,
        needs=needs,
        attempt=row.attempt,
        runner=row.runner,
        ready_at=row.ready_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        due_at=row.due_at,
        output=_output_of(row),
        output_bytes=row.output_bytes,
        failure=row.failure,
        publication=row.publication,
        progress=row.progress,
    )


def _output_of(row: NodeRow) -> msgspec.Raw | None:
    """A skipped node's is an empty object, as expressions see it (design §3)."""
    if row.state == NodeState.SKIPPED:
        return msgspec.Raw(b"{}")
    return None if row.output_bytes is None else row.output


async def read_node(database: Database, run_id: UUID, workflow: Resolved, name: str) -> NodeDetail:
    """Raises NotFound with the nearest name of the workflow's nodes."""
    definition = definition_of(workflow, name)
    statement = select(cast(node_as_json(), Text).label("view"), node.c.input)
    row = await database.row(statement.where(node.c.run_id == run_id, node.c.name == name))
    view = node_view(_node_row.decode(row.view) if row else None, workflow, definition)
    return NodeDetail(
        **msgspec.structs.asdict(view),
        input=row.input if row else None,
        attempts=await _read_attempts(database, run_id, name),
    )


def definition_of(workflow: Resolved, name: str) -> NodeDefinition:
    for definition in workflow.definition.nodes:
        if definition.name == name:
            return definition
    raise NotFound("node", name, tuple(definition.name for definition in workflow.definition.nodes))


async def _read_attempts(database: Database, run_id: UUID, name: str) -> tuple[Attempt, ...]:
    events = await database.rows(
        select(run_event.c.at, run_event.c.kind, run_event.c.attempt, run_event.c.data)
        .where(run_event.c.run_id == run_id, run_event.c.node == name)
        .order_by(run_event.c.seq)
    )
    attempts = attempts_of(events)
    return await _with_tiers(database, attempts)


def attempts_of(events: Iterable[Row[Any]]) -> tuple[Attempt, ...]:
    """Each start opens an attempt; the next fact that ends one closes it."""
    attempts: list[Attempt] = []
    for row in events:
        if row.kind == Kind.NODE_STARTED:
            data = _attempt_data.decode(row.data)
            attempts.append(Attempt(row.attempt, started_at=row.at, runner=data.runner, tier=data.tier))
        elif row.kind in _OUTCOMES and attempts and attempts[-1].ended_at is None:
            attempts[-1] = _closed(attempts[-1], row)
    return tuple(attempts)


def _closed(attempt: Attempt, row: Row[Any]) -> Attempt:
    data = _attempt_data.decode(row.data)
    return msgspec.structs.replace(
        attempt,
        ended_at=row.at,
        outcome=_OUTCOMES[Kind(row.kind)],
        failure=data.failure,
        tier=data.tier or attempt.tier,
    )


async def _with_tiers(database: Database, attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """Where the timeline does not say what the sandbox enforced, the runner's registration does."""
    unknown = {attempt.runner for attempt in attempts if attempt.tier is None and attempt.runner}
    if not unknown:
        return attempts
    rows = await database.rows(select(runner.c.id, runner.c.tier).where(runner.c.id.in_(sorted(unknown))))
    tiers = {row.id: row.tier for row in rows}
    return tuple(
        msgspec.structs.replace(attempt, tier=attempt.tier or tiers.get(attempt.runner or ""))
        for attempt in attempts
    )
