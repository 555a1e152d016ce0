"""What a node's end means for those that need it: who begins, who is skipped. O(out-degree) for each end."""

from orchestrator.domain.beginning import start_unit
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import fail_node, may_start, skip_node
from orchestrator.domain.finish import end_run
from orchestrator.domain.foreach import expand, item_ended
from orchestrator.domain.node import NODE_DONE, NodeState
from orchestrator.domain.plan import PlanNode
from orchestrator.domain.resolve import Unresolvable, condition_holds
from orchestrator.domain.run import RunState
from orchestrator.domain.undo import step_ended
from orchestrator.domain.unit import is_item, is_undo
from penstock.contracts.value import replace
from penstock.contracts.workflow import RunIf


def settle(draft: Draft) -> None:
    """Follow every end to what it means for others, and end the run when nothing is open. A loop, for chains
    of skipped nodes are as long as workflows are deep."""
    while draft.ended:
        name = draft.ended.popleft()
        if name in draft.plan.nodes:
            _tell_downstream(draft, name)
        elif is_undo(name):
            step_ended(draft, name)
        elif is_item(name):
            item_ended(draft, name)
    if draft.open_nodes == 0 and draft.state in _ENDING:
        end_run(draft)
        settle(draft)  # an undoing whose first step could not begin has ended already


_ENDING = (RunState.RUNNING, RunState.CANCELLING)


def _tell_downstream(draft: Draft, name: str) -> None:
    """In a paused run those who need the node learn of its end when the run goes on."""
    for follower in draft.plan.nodes[name].downstream:
        if draft.state is RunState.PAUSED:
            return  # also when a follower before this one failed just now, with `on_failure: pause`
        _resolve_one_need(draft, follower)


def start_or_skip(draft: Draft, name: str) -> None:
    """All needs of a waiting node have ended: `run_if`, then `if`, then `with` decide what becomes of it."""
    assert may_start(draft, name), "a node that must not start was left waiting"
    planned = draft.plan.nodes[name]
    reason = why_skipped(draft, planned)
    if reason is not None:
        skip_node(draft, name, reason=reason)
        return
    try:
        if not condition_holds(draft, planned):
            skip_node(draft, name, reason=f"its condition is false: {planned.definition.if_}")
        elif planned.definition.foreach is not None:
            expand(draft, name, planned)
        else:
            start_unit(draft, name)
    except Unresolvable as error:
        fail_node(draft, name, error.failure)


def why_skipped(draft: Draft, planned: PlanNode) -> str | None:
    """The reason that `run_if` gives against this node, or None if it may begin."""
    run_if = planned.definition.run_if
    if run_if is RunIf.ALL_DONE or not planned.upstream:
        return None
    if run_if is RunIf.ANY_SUCCEEDED:
        succeeded = any(draft.node(name).state in NODE_DONE for name in planned.upstream)
        return None if succeeded else "none of the nodes that it needs succeeded"
    for name in planned.upstream:
        state = draft.node(name).state
        if state is not NodeState.SUCCEEDED:
            return f"node '{name}' {_VERB[state]}"
    return None


_VERB = {
    NodeState.FAILED: "failed",
    NodeState.SKIPPED: "was skipped",
    NodeState.CANCELLED: "was cancelled",
}


def _resolve_one_need(draft: Draft, name: str) -> None:
    node = draft.node(name)
    if node.state is not NodeState.WAITING:
        return
    assert node.unresolved > 0, "a waiting node waits for something"
    if node.unresolved == 1:
        start_or_skip(draft, name)
    else:
        draft.put(name, replace(node, unresolved=node.unresolved - 1))
