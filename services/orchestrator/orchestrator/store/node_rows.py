"""The row of a unit as one JSON array, and the view that people read of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, ScalarSelect, Text, and_, case, cast, exists, func, or_, select

from orchestrator.domain.detail import (
    Cached,
    Child,
    Detail,
    EventAwaited,
    Held,
    Lookup,
    Moment,
    Question,
    Spread,
    UndoSkipped,
)
from orchestrator.domain.node import NODE_ENDED, NodeState
from orchestrator.domain.unit import is_undo, undo_name
from orchestrator.engine.port import Resolved
from orchestrator.engine.unit_views import CachedView, CompensationView, ItemCounts, NodeProgress, WaitingFor
from orchestrator.engine.views import NodeView
from orchestrator.store.tables import node, node_progress, run
from penstock.contracts.failure import Failure
from penstock.contracts.workflow import NodeDefinition, NodeKind

_holder = node.alias("holder")
_item = node.alias("item")

IS_UNDOING = node.c.name.like("%:undo")
OF_THE_PLAN = or_(node.c.part_of.is_(None), node.c.name == node.c.part_of + ":undo")
"""Nodes and their undoings, without items: those are counted, not listed."""


class NodeRow(msgspec.Struct, frozen=True, array_like=True):
    """A unit as the database writes it into a JSON array, in the order of `node_as_json`."""

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
    iteration: int
    detail: Detail | None
    items_compensated: int | None
    output_run: UUID | None


def node_as_json(*, output_bytes_max: ColumnElement[Any] | None = None) -> ColumnElement[str]:
    """The columns of a NodeRow. An output above the limit is left out; its size still tells of it."""
    output = output_of()
    output_bytes = func.octet_length(cast(output, Text))
    small = output_bytes <= output_bytes_max if output_bytes_max is not None else output.is_not(None)
    return func.json_build_array(
        node.c.name,
        node.c.state,
        node.c.attempt,
        node.c.runner,
        node.c.ready_at,
        node.c.started_at,
        node.c.ended_at,
        _due_at(),
        case((small, output)),
        output_bytes,
        node.c.failure,
        node.c.publication,
        # Only where it says something: a wide run would pay a look-up for each node that has ended.
        case((node.c.state == NodeState.RUNNING, _progress_as_json())),
        node.c.iteration,
        node.c.detail,
        case((and_(_detail_is("foreach"), node.c.state.in_(NODE_ENDED), _is_undone()), _items_compensated())),
        node.c.output_run,
    )


def output_of() -> ColumnElement[Any]:
    """Of a fork's unit the output is in the row of the same name of another run."""
    return func.coalesce(node.c.output, _of_holder("output"), type_=node.c.output.type)


def input_of() -> ColumnElement[Any]:
    return func.coalesce(node.c.input, _of_holder("input"), type_=node.c.input.type)


def _of_holder(column: str) -> ColumnElement[Any]:
    its = (_holder.c.run_id == node.c.output_run, _holder.c.name == node.c.name)
    found = select(_holder.c[column]).where(*its).correlate(node).scalar_subquery()
    return case((node.c.output_run.is_not(None), found))


def _due_at() -> ColumnElement[Any]:
    """What waits for a moment or a breaker has a timer; an event or a person is waited for until a deadline."""
    suspended_until = case((_detail_is("moment", "held"), node.c.wake_at), else_=node.c.deadline_at)
    return case(
        (node.c.state == NodeState.BACKOFF, node.c.wake_at),
        (node.c.state == NodeState.RUNNING, node.c.deadline_at),
        (node.c.state == NodeState.SUSPENDED, suspended_until),
    )


def _detail_is(*tags: str) -> ColumnElement[bool]:
    return func.json_extract_path_text(node.c.detail, "is").in_(tags)


def _is_undone() -> ColumnElement[bool]:
    undone = (run.c.id == node.c.run_id, func.json_extract_path_text(run.c.detail, "undo").is_not(None))
    return exists(select(run.c.id).where(*undone).correlate(node).correlate_except(run))


def _items_compensated() -> ScalarSelect[Any]:
    its = (
        _item.c.run_id == node.c.run_id,
        _item.c.part_of == node.c.name,
        _item.c.state == NodeState.COMPENSATED,
    )
    return select(func.count()).select_from(_item).where(*its).correlate(node).scalar_subquery()


def _progress_as_json() -> ScalarSelect[Any]:
    told = node_progress.c
    fields = func.json_build_object(
        *("done", told.done, "total", told.total, "message", told.message, "at", told.at)
    )
    is_its = (told.run_id == node.c.run_id, told.node == node.c.name, told.attempt == node.c.attempt)
    return select(fields).where(*is_its).correlate(node).scalar_subquery()


def node_view(
    name: str, rows: Mapping[str, NodeRow], workflow: Resolved, definition: NodeDefinition
) -> NodeView:
    """A unit of the node that `definition` defines. It has no row while it waits: then that says all there is."""
    row = rows.get(name)
    agent, pool = _work_of(name, definition)
    needs = workflow.needs[name] if name == definition.name else ()
    if row is None:
        return NodeView(name, definition.kind, NodeState.WAITING, agent, pool, needs)
    detail = row.detail
    return NodeView(
        name=name,
        kind=definition.kind,
        state=row.state,
        agent=agent,
        pool=pool,
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
        iteration=row.iteration,
        items=ItemCounts.of(detail, compensated=row.items_compensated or 0)
        if isinstance(detail, Spread)
        else None,
        waiting_for=None if row.state in NODE_ENDED else _waiting_for(detail),
        cached=CachedView(detail.run) if isinstance(detail, Cached) else None,
        reused_from=row.output_run,
        compensation=_compensation(rows.get(undo_name(name)), detail),
    )


def _work_of(unit: str, definition: NodeDefinition) -> tuple[str | None, str | None]:
    """The agent and the pool of an attempt of this unit."""
    if is_undo(unit):
        undo = definition.compensate
        return (undo.agent, undo.pool) if undo else (None, None)
    return (definition.agent, definition.pool) if definition.kind is NodeKind.AGENT else (None, None)


def _output_of(row: NodeRow) -> msgspec.Raw | None:
    """A skipped node's is an empty object, as expressions see it (design §3)."""
    if row.state == NodeState.SKIPPED:
        return msgspec.Raw(b"{}")
    return None if row.output_bytes is None else row.output


def _waiting_for(detail: Detail | None) -> WaitingFor | None:
    if isinstance(detail, (Moment, EventAwaited, Question, Child, Lookup, Held)):
        return detail
    return None


def _compensation(undo: NodeRow | None, detail: Detail | None) -> CompensationView | None:
    if undo is None:
        return None
    skipped_by = detail.by if isinstance(detail, UndoSkipped) else None
    return CompensationView(undo.state, undo.attempt, undo.failure, skipped_by)
