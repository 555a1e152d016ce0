"""What an explanation needs besides the run: runners that are alive, open items and undoings, and who holds slots."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select

from orchestrator.domain.detail import Child, Detail, Spread
from orchestrator.domain.explanation.explain import (
    AgentFacts,
    Explanation,
    LimitFacts,
    NodeFacts,
    QueueFacts,
    RunFacts,
    RunnerFacts,
    explain,
)
from orchestrator.domain.node import NODE_ACTIVE, NodeState
from orchestrator.domain.run import RunState
from orchestrator.engine.limits import LimitScope
from orchestrator.engine.port import Resolved
from orchestrator.engine.views import NodeView, RunView
from orchestrator.store.composed import Database
from orchestrator.store.limits import holders_of, read_limits
from orchestrator.store.node_rows import IS_UNDOING
from orchestrator.store.read_agents import ALIVE, RUNNERS_MAX, offers_of
from orchestrator.store.read_breakers import read_held
from orchestrator.store.read_nodes import read_units
from orchestrator.store.read_workflows import read_workflow_pause
from orchestrator.store.tables import node, run, runner
from penstock.contracts.value import replace
from penstock.telemetry.operations import measured

PARTS_MAX = 5  # open items of a node that are looked at; the others wait for much the same
UNDOINGS_MAX = 20
HOLDERS_MAX = 10


@measured
async def explain_run(database: Database, row: Row[Any], view: RunView, workflow: Resolved) -> Explanation:
    now, runners = await _living_runners(database)
    children = {child.run: child.state for child in view.children}
    windows = {node.name: node.foreach.max_parallel for node in workflow.definition.nodes if node.foreach}
    facts = [
        _facts_of(node, windows, children, await _open_parts(database, view, node, workflow))
        for node in view.nodes
    ]
    held = await read_held(database, view.project, view.id)
    undoings = await _undoings(database, view, workflow)
    facts += [_facts_of(unit, windows, children, ()) for unit in undoings]
    return explain(
        RunFacts(
            id=view.id,
            state=RunState(view.state),
            failure=view.failure,
            cancel_reason=row.cancel_reason,
            started_by=view.started_by,
            pause=view.pause,
            undo=view.undo,
            queue=await _queue(database, row, workflow),
            limits=await _limits(database, view),
            workflow_pause=await read_workflow_pause(database, view.project, view.workflow),
        ),
        nodes=[replace(node, held=held.get(node.name)) for node in facts],
        runners=runners,
        now=now,
    )


async def _open_parts(
    database: Database, view: RunView, of: NodeView, workflow: Resolved
) -> tuple[NodeView, ...]:
    if of.items is None or of.state != NodeState.RUNNING:
        return ()
    which = (node.c.part_of == of.name, node.c.state.in_(NODE_ACTIVE), ~IS_UNDOING)
    return await read_units(database, view.id, workflow, *which, limit=PARTS_MAX)


async def _undoings(database: Database, view: RunView, workflow: Resolved) -> tuple[NodeView, ...]:
    """Undoings that go on or have failed, and items that could not be undone."""
    if view.undo is None:
        return ()
    going_on = IS_UNDOING & node.c.state.in_(NODE_ACTIVE | {NodeState.FAILED})
    given_up = node.c.state == NodeState.COMPENSATION_FAILED
    which = (node.c.part_of.is_not(None), or_(going_on, given_up))
    return await read_units(database, view.id, workflow, *which, limit=UNDOINGS_MAX)


async def _queue(database: Database, row: Row[Any], workflow: Resolved) -> QueueFacts | None:
    """Who holds the slots that a queued run waits for: a slot is an open run with the same key."""
    if row.state != RunState.QUEUED or row.concurrency_key is None:
        return None
    has_slot = (
        run.c.project == row.project,
        run.c.workflow == row.workflow,
        run.c.concurrency_key == row.concurrency_key,
        run.c.ended_at.is_(None),
        run.c.state != RunState.QUEUED,
    )
    found = await database.rows(
        select(run.c.id).where(*has_slot).order_by(run.c.created_at).limit(HOLDERS_MAX)
    )
    concurrency = workflow.definition.concurrency
    limit = concurrency.limit if concurrency else 1
    return QueueFacts(row.concurrency_key, limit, tuple(holder.id for holder in found))


async def _limits(database: Database, view: RunView) -> tuple[LimitFacts, ...]:
    """The limits that the run's attempts may count for, each with the first that hold it."""
    pools = {node.pool for node in view.nodes}
    found = []
    for limit in (await read_limits(database)).items:
        if (limit.scope, limit.name) == (LimitScope.PROJECT, view.project) or (
            limit.scope is LimitScope.POOL and limit.name in pools
        ):
            holders = await holders_of(database, limit, most=HOLDERS_MAX)
            found.append(LimitFacts(limit.scope, limit.name, limit.maximum, limit.running or 0, holders))
    return tuple(found)


async def _living_runners(database: Database) -> tuple[datetime, list[RunnerFacts]]:
    """With the database's moment, for its clock has dated everything else too."""
    held = select(node.c.runner, func.count().label("held")).where(node.c.token.is_not(None))
    by_runner = held.group_by(node.c.runner).subquery()
    rows = await database.rows(
        select(runner.c.id, runner.c.pool, runner.c.slots, runner.c.agents, by_runner.c.held)
        .join_from(runner, by_runner, runner.c.id == by_runner.c.runner, isouter=True)
        .where(ALIVE)
        .limit(RUNNERS_MAX)
    )
    moment = await database.row(select(func.now().label("now")))
    assert moment is not None
    return moment.now, [
        RunnerFacts(
            id=row.id,
            pool=row.pool,
            slots=row.slots,
            held=row.held or 0,
            agents=_agents_of(row.agents),
        )
        for row in rows
    ]


def _agents_of(agents: bytes) -> dict[str, AgentFacts]:
    """Of two folders that claim a name, the one that can be loaded counts."""
    offers = sorted(offers_of(agents), key=lambda offer: offer.error is None)
    return {offer.name: AgentFacts(offer.version, offer.error) for offer in offers}


def _facts_of(
    view: NodeView, windows: dict[str, int], children: dict[UUID, str], parts: tuple[NodeView, ...]
) -> NodeFacts:
    """`windows`: node → how many of its items may be open at once; `children`: run → its state."""
    detail = _detail_of(view)
    child = detail.run if isinstance(detail, Child) else None
    return NodeFacts(
        name=view.name,
        state=NodeState(view.state),
        agent=view.agent,
        pool=view.pool,
        needs=view.needs,
        attempt=view.attempt,
        runner=view.runner,
        ready_at=view.ready_at,
        started_at=view.started_at,
        due_at=view.due_at,
        publication=view.publication,
        failure=view.failure,
        detail=detail,
        child_state=None if child is None else children.get(child),
        max_parallel=windows.get(view.name, 0),
        open_parts=tuple(_facts_of(part, windows, children, ()) for part in parts),
        undo_failure=view.compensation.failure if view.compensation else None,
        undo_skipped=view.compensation is not None and view.compensation.skipped_by is not None,
    )


def _detail_of(view: NodeView) -> Detail | None:
    """What the node waits for, or how far its items are, as the core keeps it."""
    counts = view.items
    if counts is None:
        return view.waiting_for
    begun = counts.total - counts.waiting
    succeeded = counts.succeeded + counts.compensated
    return Spread(counts.total, begun, counts.open, succeeded, counts.failed, counts.cancelled)
