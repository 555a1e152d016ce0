"""Compensation: what a run did is undone, the last first (requirement V4).

Each step is a unit of its own (`charge:undo`) that is offered, leased and fenced like a node. One step at a
time; the order is that in which the nodes and items succeeded, backwards.
"""

from orchestrator.domain.beginning import item_scope
from orchestrator.domain.children import undo_child
from orchestrator.domain.detail import Child, UndoSkipped
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import fail_node
from orchestrator.domain.events import RetryRequested, SkipRequested
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.offering import offer
from orchestrator.domain.plan import Plan
from orchestrator.domain.resolve import Scope, Unresolvable, undo_input
from orchestrator.domain.run import Pause, PauseCause, RunState, Undo
from orchestrator.domain.undo_order import UndoOrder
from orchestrator.domain.unit import is_undo, undo_name, undone_by
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.wire import decode
from penstock.contracts.workflow import CompensationPolicy, Json


def has_steps(draft: Draft) -> bool:
    """Whether anything succeeded that can be undone."""
    return any(node.completed is not None and _is_left(draft, name, node) for name, node in draft.units())


def begin_undo(draft: Draft, *, by: str, reason: str) -> None:
    """Nothing runs any more: undo, beginning with what succeeded last."""
    draft.move(RunState.COMPENSATING)
    draft.undo = Undo(by, reason[:500])
    draft.undo_order = None
    draft.tell(Kind.RUN_COMPENSATING, by=by, reason=reason)
    next_step(draft)


def next_step(draft: Draft) -> None:
    """Undo what succeeded last of what is left; when nothing is left, the undoing has ended."""
    name = _last_step(draft)
    if name is None:
        _end(draft)
        return
    node = draft.node(name)
    draft.put(name, replace(node, state=NodeState.COMPENSATING))
    draft.tell_of(Kind.NODE_COMPENSATING, name, node.attempt)
    _begin(draft, name, node)


def step_ended(draft: Draft, undo: str) -> None:
    name = undone_by(undo)
    node, step = draft.node(name), draft.node(undo)
    if step.state is NodeState.SUCCEEDED:
        draft.put(name, replace(node, state=NodeState.COMPENSATED))
        draft.tell_of(Kind.NODE_COMPENSATED, name, node.attempt)
    else:
        draft.put(name, replace(node, state=NodeState.COMPENSATION_FAILED))
        draft.tell_of(Kind.NODE_COMPENSATION_FAILED, name, node.attempt, failure=step.failure)
        if draft.plan.definition.compensation_policy is CompensationPolicy.HALT_ON_ERROR:
            _park(draft)
            return
    next_step(draft)


def retry_steps(draft: Draft, event: RetryRequested) -> None:
    """A person has mended what kept the steps from succeeding: try them again, the last one first."""
    names = failed_steps(draft)
    draft.move(RunState.COMPENSATING)
    draft.pause = None
    draft.undo_order = None
    draft.tell(Kind.RUN_RETRIED, by=event.by, nodes=names, nodes_total=len(names))
    for name in names:
        step = draft.node(undo_name(name))
        again = replace(
            step,
            state=NodeState.WAITING,
            first_attempt=step.attempt + 1,
            failure=None,
            detail=None,
            was_reset=True,
        )
        draft.put(undo_name(name), again)
    next_step(draft)


def skip_steps(draft: Draft, event: SkipRequested) -> None:
    """A person decides that these steps need not be undone, or did it by hand."""
    names = [event.node] if event.node else failed_steps(draft)
    for name in names:
        node = draft.node(name)
        draft.put(name, replace(node, detail=UndoSkipped(event.by)))
        draft.tell_of(Kind.NODE_COMPENSATION_SKIPPED, name, node.attempt, by=event.by)
    if draft.plan.definition.compensation_policy is CompensationPolicy.HALT_ON_ERROR or not failed_steps(
        draft
    ):
        draft.move(RunState.COMPENSATING)
        draft.pause = None
        draft.tell(Kind.RUN_RESUMED, by=event.by)
        next_step(draft)


def failed_steps(draft: Draft) -> list[str]:
    """What could not be undone, and nobody has said that it need not be."""
    return [
        name
        for name, node in draft.units()
        if node.state is NodeState.COMPENSATION_FAILED and not isinstance(node.detail, UndoSkipped)
    ]


def _begin(draft: Draft, name: str, node: Node) -> None:
    undo, planned = undo_name(name), draft.plan.planned(name)
    if planned.undo is None:
        undo_child(draft, undo)
        return
    try:
        input = undo_input(draft, planned, _scope(draft, name, node))
    except Unresolvable as error:
        fail_node(draft, undo, error.failure)
    else:
        offer(draft, undo, input=input)


def _scope(draft: Draft, name: str, node: Node) -> Scope:
    scope: dict[str, Json] = dict(item_scope(draft, name))
    scope["input"] = decode(node.input or b"{}", object)
    scope["output"] = decode(node.output or b"{}", object)
    return scope


def _last_step(draft: Draft) -> str | None:
    """What to undo next: what succeeded last and is not undone; after a retry also what failed before."""
    order = draft.undo_order or _order(draft)
    place = order.place
    while place < len(order.names) and not _is_left(
        draft, order.names[place], draft.node(order.names[place])
    ):
        place += 1
    draft.undo_order = order.at(place)
    return order.names[place] if place < len(order.names) else None


def _order(draft: Draft) -> UndoOrder:
    """O(units · log units), once in an undoing."""
    left = [
        (node.completed, name)
        for name, node in draft.units()
        if node.completed is not None and _is_left(draft, name, node)
    ]
    return UndoOrder(tuple([name for _, name in sorted(left, reverse=True)]))


def _is_left(draft: Draft, name: str, node: Node) -> bool:
    if is_undo(name) or not can_be_undone(draft.plan, name, node):
        return False
    if node.state is NodeState.SUCCEEDED:
        return True
    if node.state is not NodeState.COMPENSATION_FAILED or isinstance(node.detail, UndoSkipped):
        return False
    return draft.node(undo_name(name)).state is NodeState.WAITING  # a person asked for another try


def can_be_undone(plan: Plan, name: str, node: Node) -> bool:
    """Whether there is a way to undo what this unit did here. Of a node with `foreach` the items are undone."""
    planned = plan.planned(name)
    if node.output_run is not None:
        return False  # another run did it, and this fork only took it over
    if planned.definition.foreach is not None and name in plan.nodes:
        return False
    return planned.undo is not None or (planned.can_be_undone and isinstance(node.detail, Child))


def _end(draft: Draft) -> None:
    if failed_steps(draft):
        _park(draft)
        return
    draft.move(RunState.COMPENSATED)
    assert draft.undo is not None, "a run that is undone knows why"
    draft.tell(Kind.RUN_COMPENSATED, by=draft.undo.by, reason=draft.undo.reason)


def _park(draft: Draft) -> None:
    """Needs a person: `retry` or `skip`."""
    names = failed_steps(draft)
    reason = f"could not undo {', '.join(names[:5])}: retry or skip"
    draft.move(RunState.PAUSED)
    draft.pause = Pause(PauseCause.COMPENSATION, by="penstock", reason=reason)
    draft.tell(Kind.RUN_PAUSED, cause=PauseCause.COMPENSATION, by="penstock", reason=reason)
