"""Figures about runs and nodes: counts, success rate, durations and retries, computed by the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Row, Select, and_, cast, func, select

from orchestrator.domain.run import NodeState, RunState
from orchestrator.engine.views import NodeStatistics, RunStatistics, Seconds, Statistics, WorkflowStatistics
from orchestrator.store.composed import Database
from orchestrator.store.tables import node, run

ROWS_MAX = 5_000  # workflows or nodes in one answer: as many as the largest workflow has nodes

_ENDED_WELL_OR_NOT = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


async def read_statistics(
    database: Database, project: str, *, workflow: str | None, since: datetime | None
) -> Statistics:
    """Of all runs of a project, or of those of one workflow, or created at or after `since`."""
    which = _which(project, workflow, since)
    total = await database.row(select(*_run_figures()).where(*which))
    assert total is not None, "an aggregate without groups gives one row"
    by_workflow = select(run.c.workflow, *_run_figures()).where(*which).group_by(run.c.workflow)
    workflows = await database.rows(by_workflow.order_by(run.c.workflow).limit(ROWS_MAX))
    nodes = await database.rows(_node_figures(which))
    return Statistics(
        runs=RunStatistics(**_run_statistics(total)),
        workflows=tuple(WorkflowStatistics(name=row.workflow, **_run_statistics(row)) for row in workflows),
        nodes=tuple(_node_statistics(row) for row in nodes),
    )


def _which(project: str, workflow: str | None, since: datetime | None) -> list[ColumnElement[bool]]:
    conditions = [run.c.project == project]
    if workflow is not None:
        conditions.append(run.c.workflow == workflow)
    if since is not None:
        conditions.append(run.c.created_at >= since)
    return conditions


def _run_figures() -> list[ColumnElement[Any]]:
    return [
        func.count().label("total"),
        *(func.count().filter(run.c.state == state).label(state) for state in _ENDED_WELL_OR_NOT),
        *_seconds(run.c.ended_at - run.c.created_at, run.c.ended_at.is_not(None)),
    ]


def _node_figures(which: list[ColumnElement[bool]]) -> Select[Any]:
    """Durations are of attempts that succeeded; what failed or was stopped says little about the work."""
    took = node.c.ended_at - node.c.started_at
    succeeded = and_(node.c.state == NodeState.SUCCEEDED, node.c.started_at.is_not(None))
    return (
        select(
            run.c.workflow,
            node.c.name,
            func.count().filter(node.c.started_at.is_not(None)).label("runs"),
            func.sum(func.greatest(node.c.attempt - 1, 0)).label("retries"),
            func.count().filter(node.c.state == NodeState.FAILED).label("failures"),
            *_seconds(took, succeeded),
        )
        .join_from(node, run, node.c.run_id == run.c.id)
        .where(*which)
        .group_by(run.c.workflow, node.c.name)
        .order_by(run.c.workflow, node.c.name)
        .limit(ROWS_MAX)
    )


def _seconds(took: ColumnElement[Any], counts: ColumnElement[bool]) -> list[ColumnElement[Any]]:
    seconds = cast(func.extract("epoch", took), Float)
    return [
        func.avg(seconds).filter(counts).label("mean"),
        *(
            func.percentile_cont(share).within_group(seconds).filter(counts).label(name)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        ),
    ]


def _run_statistics(row: Row[Any]) -> dict[str, Any]:
    ended = row.succeeded + row.failed + row.cancelled
    return {
        "total": row.total,
        "active": row.total - ended,
        "succeeded": row.succeeded,
        "failed": row.failed,
        "cancelled": row.cancelled,
        "success_rate": row.succeeded / ended if ended else None,
        "seconds": Seconds(row.mean, row.p50, row.p95, row.p99),
    }


def _node_statistics(row: Row[Any]) -> NodeStatistics:
    return NodeStatistics(
        workflow=row.workflow,
        node=row.name,
        runs=row.runs,
        retries=int(row.retries),
        failures=row.failures,
        seconds=Seconds(row.mean, row.p50, row.p95, row.p99),
    )
