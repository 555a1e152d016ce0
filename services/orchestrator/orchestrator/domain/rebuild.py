"""A run made again from what the store keeps of it."""

from collections.abc import Mapping
from uuid import UUID

from orchestrator.domain.invariants import check, unresolved_needs
from orchestrator.domain.node import NODE_ACTIVE, NODE_ENDED, Node, NodeState
from orchestrator.domain.plan import Plan
from orchestrator.domain.run import Run, RunState
from penstock.contracts.failure import Failure
from penstock.contracts.value import replace


def rebuild(
    *,
    id: UUID,
    project: str,
    plan: Plan,
    state: RunState,
    version: int,
    input: bytes,
    nodes: Mapping[str, Node],
    output: bytes | None = None,
    failure: Failure | None = None,
    cancel_reason: str | None = None,
    traceparent: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Run:
    """The run, with its counters counted anew. `nodes` are the stored rows; the others wait since the start.

    What follows from the plan and the states (`unresolved`, `was_reset`) is not read but worked out;
    `wake_in` is None, for the store holds the moment.
    """
    known = {name: nodes.get(name, node) for name, node in plan.beginning.items()}
    assert nodes.keys() <= known.keys(), "rows of nodes that are not in the plan"
    complete = {name: _derived(plan, known, name) for name in known}
    states = [node.state for node in complete.values()]
    run = Run(
        id=id,
        project=project,
        plan=plan,
        state=state,
        version=version,
        nodes=plan.beginning.with_changes(complete),
        input=input,
        open_nodes=sum(state not in NODE_ENDED for state in states),
        active_nodes=sum(state in NODE_ACTIVE for state in states),
        failed_nodes=states.count(NodeState.FAILED),
        output=output,
        failure=failure,
        cancel_reason=cancel_reason,
        traceparent=traceparent,
        labels=labels or {},
    )
    check(run)
    return run


def _derived(plan: Plan, known: Mapping[str, Node], name: str) -> Node:
    """The node with what only a waiting one has: a row of a waiting node says that it was reset."""
    node = known[name]
    if node.state is not NodeState.WAITING:
        return node
    was_reset = node is not plan.beginning[name]
    return replace(node, unresolved=unresolved_needs(plan, known, name), was_reset=was_reset)
