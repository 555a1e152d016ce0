"""A run made again from what the store keeps of it."""

from collections.abc import Mapping

from orchestrator.domain.invariants import check, unresolved_needs
from orchestrator.domain.node import NODE_ACTIVE, NODE_ENDED, Node, NodeState
from orchestrator.domain.plan import Plan
from orchestrator.domain.run import Run
from penstock.contracts.value import replace


def rebuild(run: Run, nodes: Mapping[str, Node]) -> Run:
    """`run` with its nodes and its counters. `nodes` are the stored units; the others wait since the start.

    Whatever nodes and counters `run` comes with is not looked at. What follows from the plan and the states
    (`unresolved`, `was_reset`) is not read but worked out; `wake_in` is None, for the store holds the moment.
    """
    plan = run.plan
    known = {**dict(plan.beginning.items()), **nodes}
    complete = {name: _derived(plan, known, name) for name in known}
    states = [complete[name].state for name in plan.nodes]
    rebuilt = replace(
        run,
        nodes=plan.beginning.with_changes(complete),
        open_nodes=sum(state not in NODE_ENDED for state in states),
        active_nodes=sum(node.state in NODE_ACTIVE for node in complete.values()),
        failed_nodes=states.count(NodeState.FAILED),
    )
    check(rebuilt)
    return rebuilt


def _derived(plan: Plan, known: Mapping[str, Node], name: str) -> Node:
    """The node with what only a waiting one has: a row of a waiting node says that it was reset."""
    node = known[name]
    if node.state is not NodeState.WAITING:
        return node
    if name not in plan.nodes:
        return replace(node, was_reset=True)
    was_reset = node is not plan.beginning[name]
    return replace(node, unresolved=unresolved_needs(plan, known, name), was_reset=was_reset)
