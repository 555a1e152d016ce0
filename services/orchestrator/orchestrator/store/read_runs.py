"""Reads of runs: one with its nodes, and lists with filters and cursor pages."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, ScalarSelect, Text, bindparam, cast, func, literal, select, tuple_

from orchestrator.domain.node import NODE_ENDED
from orchestrator.domain.run import RUN_ENDED, Pause, Undo
from orchestrator.engine.port import Resolved, RunFilter, RunHead
from orchestrator.engine.unit_views import ChildView, ParentView
from orchestrator.engine.views import NodeView, Page, Progress, RunSummary, RunView
from orchestrator.store.composed import Database
from orchestrator.store.cursor import RunKey, read_cursor, write_cursor
from orchestrator.store.node_rows import OF_THE_PLAN, NodeRow, node_as_json, node_view
from orchestrator.store.tables import idempotency, node, run
from penstock.contracts.errors import Conflict, NotFound
from penstock.contracts.failure import Failure
from penstock.contracts.limits import MIB
from penstock.contracts.names import SUBJECT_LABEL
from penstock.telemetry.traceparent import is_sampled, trace_id_of

VIEW_OUTPUT_BYTES_MAX = 4 * MIB  # all node outputs of one view together; a larger one has a page of its own

VIEW_CHILDREN_MAX = 200  # the list of runs has the rest: `parent=`

_SUMMARY = tuple(
    column for column in run.c if column.name not in ("input", "output", "cancel_reason", "traceparent")
)
_child = run.alias("child")


def _nodes_of_run() -> ScalarSelect[str]:
    each = node_as_json(output_bytes_max=VIEW_OUTPUT_BYTES_MAX / run.c.nodes_total)
    nodes = select(func.coalesce(cast(func.json_agg(each), Text), "[]"))
    return nodes.where(node.c.run_id == run.c.id, OF_THE_PLAN).correlate(run).scalar_subquery()


def _children_of_run() -> ScalarSelect[str]:
    """The first ones that they have started."""
    each = func.json_build_object(
        *("node", func.json_extract_path_text(_child.c.detail, "parent", "node"), "run", _child.c.id),
        *("workflow", _child.c.workflow, "version", _child.c.workflow_version, "state", _child.c.state),
    ).label("each")
    first = select(each).where(_child.c.parent_run == run.c.id).order_by(_child.c.created_at, _child.c.id)
    found = first.limit(VIEW_CHILDREN_MAX).correlate(run).subquery()
    return select(func.coalesce(cast(func.json_agg(found.c.each), Text), "[]")).scalar_subquery()


# Composed once: people wait for these most, and composing them anew would take longer than running them.
_IS_ASKED_FOR = (run.c.id == bindparam("run_id"), run.c.project == bindparam("project"))
_HEAD = select(run.c.state, run.c.version, run.c.workflow, run.c.workflow_version).where(*_IS_ASKED_FOR)
_RUN = select(run, _nodes_of_run().label("nodes"), _children_of_run().label("children")).where(*_IS_ASKED_FOR)


class _RunDetail(msgspec.Struct, frozen=True):
    """Column `run.detail`, as far as people read it."""

    pause: Pause | None = None
    undo: Undo | None = None
    parent: ParentView | None = None


_NO_DETAIL = _RunDetail()
_failure = msgspec.json.Decoder(Failure)
_labels = msgspec.json.Decoder(dict[str, str])
_detail = msgspec.json.Decoder(_RunDetail)
_children = msgspec.json.Decoder(tuple[ChildView, ...])
_node_rows = msgspec.json.Decoder(tuple[NodeRow, ...])


async def read_head(database: Database, project: str, run_id: UUID) -> RunHead:
    """Raises NotFound."""
    row = await database.row(_HEAD, project=project, run_id=run_id)
    if row is None:
        raise NotFound("run", str(run_id))
    return RunHead(
        state=row.state,
        seq=row.version,
        ended=row.state in RUN_ENDED,
        workflow=row.workflow,
        workflow_version=row.workflow_version,
    )


async def read_run_row(database: Database, project: str, run_id: UUID) -> Row[Any]:
    """A run with all its node rows: one statement, so that run and nodes are of one moment."""
    row = await database.row(_RUN, project=project, run_id=run_id)
    if row is None:
        raise NotFound("run", str(run_id))
    return row


async def read_page(
    database: Database, project: str, which: RunFilter, *, limit: int, cursor: str | None
) -> Page[RunSummary]:
    """Newest first. One row more than asked tells whether there is another page."""
    found = select(*_SUMMARY).where(run.c.project == project, *_matches(which))
    if cursor is not None:
        key = read_cursor(cursor, RunKey)
        found = found.where(
            tuple_(run.c.created_at, run.c.id) < tuple_(literal(key.created_at), literal(key.id))
        )
    newest_first = found.order_by(run.c.created_at.desc(), run.c.id.desc()).limit(limit + 1)
    rows = await database.rows(newest_first)
    items = tuple(RunSummary(**summary_fields(row)) for row in rows[:limit])
    last = RunKey(created_at=items[-1].created_at, id=items[-1].id) if len(rows) > limit else None
    return Page(items=items, next=write_cursor(last) if last else None)


async def read_started(database: Database, project: str, key: str, digest: str) -> UUID | None:
    """The run that an idempotency key started; raises Conflict if it started something else."""
    row = await database.row(
        select(idempotency.c.run_id, idempotency.c.digest).where(
            idempotency.c.project == project, idempotency.c.key == key
        )
    )
    if row is None:
        return None
    if row.digest != digest:
        raise Conflict(f"the idempotency key '{key}' has started another run with another request")
    started: UUID = row.run_id
    return started


def run_view(row: Row[Any], workflow: Resolved) -> RunView:
    rows = {found.name: found for found in _node_rows.decode(row.nodes)}
    nodes = tuple(node_view(node.name, rows, workflow, node) for node in workflow.definition.nodes)
    progress = Progress.of(total=row.nodes_total, open_nodes=row.nodes_open, shares=_shares(nodes))
    return RunView(
        **summary_fields(row) | {"progress": progress},
        input=row.input,
        output=row.output,
        nodes=nodes,
        children=_children.decode(row.children),
        trace_id=trace_id_of(row.traceparent) if is_sampled(row.traceparent) else None,
    )


def _shares(nodes: tuple[NodeView, ...]) -> float:
    """What has ended of open nodes with items, one for a whole node."""
    return sum(node.items.ended_share for node in nodes if node.items and node.state not in NODE_ENDED)


def summary_fields(row: Row[Any]) -> dict[str, Any]:
    detail = _NO_DETAIL if row.detail is None else _detail.decode(row.detail)
    labels = _labels.decode(row.labels)
    return {
        "id": row.id,
        "project": row.project,
        "workflow": row.workflow,
        "version": row.workflow_version,
        "state": row.state,
        "failure": None if row.failure is None else _failure.decode(row.failure),
        "labels": labels,
        "priority": row.priority,
        "created_at": row.created_at,
        "changed_at": row.changed_at,
        "ended_at": row.ended_at,
        "deadline_at": row.deadline_at,
        "seq": row.version,
        "progress": Progress.of(total=row.nodes_total, open_nodes=row.nodes_open),
        "started_by": row.started_by,
        "subject": labels.get(SUBJECT_LABEL) or None,
        "number": row.number,
        "parent": detail.parent,
        "source_run": row.source_run,
        "pause": detail.pause,
        "undo": detail.undo,
    }


def _matches(which: RunFilter) -> list[ColumnElement[bool]]:
    conditions = []
    if which.workflow is not None:
        conditions.append(run.c.workflow == which.workflow)
    if which.states:
        conditions.append(run.c.state.in_(which.states))
    if which.active is not None:
        conditions.append(run.c.ended_at.is_(None) if which.active else run.c.ended_at.is_not(None))
    if which.labels:
        conditions.append(run.c.labels.contains(which.labels))
    if which.parent is not None:
        conditions.append(run.c.parent_run == which.parent)
    if which.after_time is not None:
        conditions.append(run.c.created_at > which.after_time)
    return conditions
