"""Reads of nodes and their parts: rows, inputs and outputs, and attempts as the timeline tells them."""

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, Text, cast, literal, select

from orchestrator.domain.unit import index_of, node_of, undo_name
from orchestrator.engine.port import Resolved
from orchestrator.engine.views import Attempt, NodeDetail, NodeView
from orchestrator.store.composed import Database
from orchestrator.store.node_rows import NodeRow, input_of, node_as_json, node_view
from orchestrator.store.read_model_calls import read_model_calls
from orchestrator.store.tables import node, run_event, runner
from penstock.contracts.errors import NotFound
from penstock.contracts.failure import Failure
from penstock.contracts.names import NAME_PATTERN
from penstock.contracts.timeline import Kind
from penstock.contracts.workflow import NodeDefinition
from penstock.telemetry.operations import measured

_OUTCOMES = {
    Kind.NODE_SUCCEEDED: "succeeded",
    Kind.NODE_ATTEMPT_FAILED: "failed",
    Kind.NODE_FAILED: "failed",
    Kind.NODE_CANCELLED: "cancelled",
    Kind.NODE_RELEASED: "released",
}
_UNIT = re.compile(rf"{NAME_PATTERN}(\[\d{{1,6}}\])?(:undo)?")


class _AttemptData(msgspec.Struct, frozen=True):
    """What the timeline's data says of an attempt; other fields are not for here."""

    runner: str | None = None
    failure: Failure | None = None
    tier: str | None = None
    question: str | None = None
    agent_version: str | None = None


_node_row = msgspec.json.Decoder(NodeRow)
_attempt_data = msgspec.json.Decoder(_AttemptData)


@measured
async def read_node(database: Database, run_id: UUID, workflow: Resolved, name: str) -> NodeDetail:
    """A node, or an item or undoing that has begun. Raises NotFound with the nearest name of the nodes."""
    definition = definition_of(workflow, name)
    statement = select(node.c.name, cast(node_as_json(), Text).label("view"), input_of().label("input"))
    found = await database.rows(
        statement.where(node.c.run_id == run_id, node.c.name.in_((name, undo_name(name))))
    )
    rows = {row.name: row for row in found}
    row = rows.get(name)
    if row is None and name != definition.name:
        raise NotFound("item or undoing that has begun", name, (definition.name,))
    units = {unit: _node_row.decode(found.view) for unit, found in rows.items()}
    view = node_view(name, units, workflow, definition)
    return NodeDetail(
        **{field: getattr(view, field) for field in view.__struct_fields__},
        input=row.input if row else None,
        attempts=await _read_attempts(database, run_id, name),
    )


@measured
async def read_units(
    database: Database, run_id: UUID, workflow: Resolved, *which: ColumnElement[bool], limit: int
) -> tuple[NodeView, ...]:
    """The first of the run's units of that kind, by name."""
    statement = select(node.c.name, cast(node_as_json(output_bytes_max=literal(0)), Text).label("view"))
    found = await database.rows(
        statement.where(node.c.run_id == run_id, *which).order_by(node.c.name).limit(limit)
    )
    units = {row.name: _node_row.decode(row.view) for row in found}
    return tuple(node_view(name, units, workflow, definition_of(workflow, name)) for name in units)


def definition_of(workflow: Resolved, unit: str) -> NodeDefinition:
    """Of the node that the unit is, or is a part of."""
    name = node_of(unit) if _UNIT.fullmatch(unit) else unit
    for definition in workflow.definition.nodes:
        if definition.name == name and (definition.foreach or index_of(unit) is None):
            return definition
    raise NotFound("node", unit, tuple(definition.name for definition in workflow.definition.nodes))


async def _read_attempts(database: Database, run_id: UUID, name: str) -> tuple[Attempt, ...]:
    events = await database.rows(
        select(run_event.c.at, run_event.c.kind, run_event.c.attempt, run_event.c.data)
        .where(run_event.c.run_id == run_id, run_event.c.node == name)
        .order_by(run_event.c.seq)
    )
    attempts = await _with_tiers(database, attempts_of(events))
    models = await read_model_calls(database, run_id, name)
    return tuple(msgspec.structs.replace(attempt, models=models.get(attempt.attempt)) for attempt in attempts)


def attempts_of(events: Iterable[Row[Any]]) -> tuple[Attempt, ...]:
    """Each start opens an attempt; the next fact that ends one closes it."""
    attempts: list[Attempt] = []
    for row in events:
        if row.kind == Kind.NODE_STARTED:
            data = _attempt_data.decode(row.data)
            attempts.append(
                Attempt(
                    row.attempt,
                    started_at=row.at,
                    runner=data.runner,
                    tier=data.tier,
                    agent_version=data.agent_version,
                )
            )
        elif row.kind in _OUTCOMES and attempts and attempts[-1].ended_at is None:
            attempts[-1] = _closed(attempts[-1], row)
    return tuple(attempts)


def _closed(attempt: Attempt, row: Row[Any]) -> Attempt:
    data = _attempt_data.decode(row.data)
    return msgspec.structs.replace(
        attempt,
        ended_at=row.at,
        outcome="parked" if data.question is not None else _OUTCOMES[Kind(row.kind)],
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
