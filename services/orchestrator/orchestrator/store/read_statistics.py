"""Figures about runs and nodes: counts, success rate, durations and retries, computed by the database."""

import functools
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Float, Row, Select, and_, case, cast, false, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.domain.breaker import BreakerState
from orchestrator.domain.node import NODE_DONE, NODE_UNDO
from orchestrator.domain.run import RUN_ENDED, NodeState, RunState
from orchestrator.engine.statistics_views import (
    AgentStatistics,
    NodeStatistics,
    RunStatistics,
    Seconds,
    Statistics,
    TrippedBreaker,
    WorkflowStatistics,
)
from orchestrator.store.composed import Database
from orchestrator.store.read_costs import Used, Work, cost_of, read_used
from orchestrator.store.tables import breaker, node, run
from penstock.telemetry.operations import measured

_NOT_BEGUN = (NodeState.WAITING, NodeState.READY, NodeState.SUSPENDED)

ROWS_MAX = 5_000  # workflows or nodes in one answer: as many as the largest workflow has nodes


class AgentOf(Protocol):
    """The agent that a unit runs; "" where it runs none."""

    async def __call__(self, project: str, work: Work) -> str: ...


@measured
async def read_statistics(
    database: Database,
    project: str,
    *,
    workflow: str | None,
    since: datetime | None,
    agent_of: AgentOf,
    minute_price_dollars: float = 0.0,
) -> Statistics:
    """Of all runs of a project, or of those of one workflow, or created at or after `since`."""
    which = _which(project, workflow, since)
    total = await database.row(select(*_run_figures()).where(*which))
    assert total is not None, "an aggregate without groups gives one row"
    by_workflow = select(run.c.workflow, *_run_figures()).where(*which).group_by(run.c.workflow)
    workflows = await database.rows(by_workflow.order_by(run.c.workflow).limit(ROWS_MAX))
    nodes = await database.rows(_node_figures(which))
    breakers = await database.rows(_tripped(project))
    used = await read_used(database, which)
    by_name = _sums((work.workflow, each) for work, each in used.items())
    agents = _sums([(await agent_of(project, work), each) for work, each in used.items()])
    price = functools.partial(cost_of, minute_price_dollars=minute_price_dollars)
    return Statistics(
        runs=RunStatistics(**_run_statistics(total), cost=price(sum(used.values(), Used()))),
        workflows=tuple(
            WorkflowStatistics(name=row.workflow, **_run_statistics(row), cost=price(by_name[row.workflow]))
            for row in workflows
        ),
        nodes=tuple(_node_statistics(row) for row in nodes),
        breakers=tuple(TrippedBreaker(**row._mapping) for row in breakers),
        agents=tuple(
            AgentStatistics(name, each.attempts, price(each)) for name, each in sorted(agents.items()) if name
        ),
    )


def _sums(items: Iterable[tuple[str, Used]]) -> defaultdict[str, Used]:
    sums = defaultdict[str, Used](Used)
    for name, used in items:
        sums[name] += used
    return sums


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
        *(func.count().filter(run.c.state == state).label(state) for state in RunState),
        *_seconds(run.c.ended_at - run.c.created_at, run.c.ended_at.is_not(None)),
    ]


def _node_figures(which: list[ColumnElement[bool]]) -> Select[Any]:
    """Durations are of attempts that succeeded; what failed or was stopped says little about the work.

    Items and undoings are parts of their node: they count for its attempts, and are no node of their own.
    """
    begun = _attempts_begun()
    name = func.coalesce(node.c.part_of, node.c.name).label("name")
    whole, started = node.c.part_of.is_(None), node.c.started_at.is_not(None)
    done = and_(whole, started, node.c.state.in_(NODE_DONE))
    return (
        select(
            run.c.workflow,
            name,
            func.count().filter(whole, started).label("runs"),
            func.sum(begun + node.c.iteration - 1).label("attempts"),
            func.sum(func.greatest(begun - 1, 0)).label("retries"),
            func.count().filter(whole, node.c.state == NodeState.FAILED).label("failures"),
            func.count().filter(whole, node.c.state.in_(NODE_UNDO)).label("compensations"),
            *_seconds(node.c.ended_at - node.c.started_at, done),
        )
        .join_from(node, run, node.c.run_id == run.c.id)
        .where(*which)
        .group_by(run.c.workflow, name)
        .order_by(run.c.workflow, name)
        .limit(ROWS_MAX)
    )


def _attempts_begun() -> ColumnElement[int]:
    """Of one unit, in its present iteration. Its number is no count: offers that a breaker refused and attempts
    that were given back are numbered too (`first_attempt` leaves them out), one that is ready is numbered before
    it begins, and a `foreach` has no attempts besides those of its items."""
    is_offered = or_(node.c.started_at.is_(None), node.c.state.in_(_NOT_BEGUN))
    has_items = func.coalesce(cast(node.c.detail, JSONB)["is"].astext == "foreach", false())
    counted = node.c.attempt - node.c.first_attempt + case((is_offered, 0), else_=1)
    return case((has_items, 0), else_=func.greatest(counted, 0))


def _tripped(project: str) -> Select[Any]:
    found = select(breaker.c.key, breaker.c.state, breaker.c.open_until)
    return (
        found.where(breaker.c.project == project, breaker.c.state != BreakerState.CLOSED)
        .order_by(breaker.c.key)
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
    states = {str(state): count for state in RunState if (count := getattr(row, state))}
    ended = sum(states.get(state, 0) for state in RUN_ENDED)
    return {
        "total": row.total,
        "active": row.total - ended,
        "succeeded": row.succeeded,
        "failed": row.failed,
        "cancelled": row.cancelled,
        "compensated": row.compensated,
        "states": states,
        "success_rate": row.succeeded / ended if ended else None,
        "compensation_rate": row.compensated / ended if ended else None,
        "seconds": Seconds(row.mean, row.p50, row.p95, row.p99),
    }


def _node_statistics(row: Row[Any]) -> NodeStatistics:
    return NodeStatistics(
        workflow=row.workflow,
        node=row.name,
        runs=row.runs,
        attempts=int(row.attempts),
        retries=int(row.retries),
        failures=row.failures,
        compensations=row.compensations,
        seconds=Seconds(row.mean, row.p50, row.p95, row.p99),
    )
