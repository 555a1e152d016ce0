"""What a node's end means for those that need it: who begins, who is skipped. O(out-degree) for each end."""

from orchestrator.domain.attempts import offer
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import end_run, fail_node, may_start
from orchestrator.domain.node import NodeState
from orchestrator.domain.plan import PlanNode
from orchestrator.domain.resolve import Unresolvable, condition_holds, node_input
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import RunIf


def settle(draft: Draft) -> None:
    """Follow every end to the nodes that need it, and end the run when nothing is open. A loop, for chains
    of skipped nodes are as long as workflows are deep."""
    while draft.ended:
        for name in draft.plan.nodes[draft.ended.popleft()].downstream:
            _resolve_one_need(draft, name)
    if draft.open_nodes == 0:
        end_run(draft)


def start_or_skip(draft: Draft, name: str) -> None:
    """All needs of a waiting node have ended: `run_if`, then `if`, then `with` decide what becomes of it."""
    assert may_start(draft, name), "a node that must not start was left waiting"
    planned = draft.plan.nodes[name]
    reason = why_skipped(draft, planned)
    if reason is not None:
        _skip(draft, name, reason)
        return
    try:
        if not condition_holds(draft, planned):
            _skip(draft, name, f"its condition is false: {planned.definition.if_}")
            return
        offer(draft, name, input=node_input(draft, planned))
    except Unresolvable as error:
        fail_node(draft, name, error.failure)


def why_skipped(draft: Draft, planned: PlanNode) -> str | None:
    """The reason that `run_if` gives against this node, or None if it may begin."""
    run_if = planned.definition.run_if
    if run_if is RunIf.ALL_DONE or not planned.upstream:
        return None
    if run_if is RunIf.ANY_SUCCEEDED:
        states = [draft.node(name).state for name in planned.upstream]
        return None if NodeState.SUCCEEDED in states else "none of the nodes that it needs succeeded"
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


def _skip(draft: Draft, name: str, reason: str) -> None:
    node = draft.node(name)
    draft.put(name, replace(node, state=NodeState.SKIPPED, unresolved=0, was_reset=False))
    draft.tell_of(Kind.NODE_SKIPPED, name, node.attempt, reason=reason)
