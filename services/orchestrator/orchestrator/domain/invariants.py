"""What must be true of every run. O(nodes): for a run that was read back, and for tests after every step."""

from collections.abc import Mapping

from orchestrator.domain.node import NODE_ACTIVE, NODE_ENDED, Node, NodeState
from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.plan import Plan
from orchestrator.domain.run import RUN_ENDED, Run, RunState


def check(run: Run) -> None:
    """Raises AssertionError with what is wrong and where."""
    states = [node.state for _, node in run.nodes.items()]
    assert len(states) == len(run.plan.nodes), "the run has other nodes than its plan"
    assert run.open_nodes == sum(state not in NODE_ENDED for state in states), "open nodes miscounted"
    assert run.active_nodes == sum(state in NODE_ACTIVE for state in states), "active nodes miscounted"
    assert run.failed_nodes == states.count(NodeState.FAILED), "failed nodes miscounted"
    check_ends(run)
    for name, node in run.nodes.items():
        _check_node(name, node)
        if node.state is NodeState.WAITING:
            assert node.unresolved == unresolved_needs(run.plan, run.nodes, name) > 0, (
                f"'{name}' waits wrongly"
            )
            assert run.state is RunState.RUNNING, f"'{name}' waits for what will never start"


def unresolved_needs(plan: Plan, nodes: Mapping[str, Node] | NodeMap[Node], name: str) -> int:
    """How many of the nodes that this one needs have not ended."""
    return sum(nodes[need].state not in NODE_ENDED for need in plan.nodes[name].upstream)


def check_ends(run: Run) -> None:
    """The part that costs nothing; the core asks it of every decision."""
    assert 0 <= run.active_nodes <= run.open_nodes, "more active nodes than open ones"
    assert (run.state in RUN_ENDED) == (run.open_nodes == 0), "a run ends exactly when its last node does"
    assert run.state in RUN_ENDED or run.active_nodes > 0, "an open run in which nothing will ever happen"
    assert run.state is not RunState.FAILED or run.failure is not None, "a run failed without a reason"
    assert run.state is not RunState.SUCCEEDED or run.failed_nodes == 0, "a run succeeded with a failed node"
    assert run.state is not RunState.CANCELLED or run.cancel_reason is not None, "cancelled without a reason"


def _check_node(name: str, node: Node) -> None:
    running = node.state is NodeState.RUNNING
    assert running == (node.token is not None), f"'{name}': exactly a running node has a holder"
    assert not running or node.runner is not None, f"'{name}' is held by nobody"
    assert (node.state is NodeState.SUCCEEDED) == (node.output is not None), (
        f"'{name}': output without success"
    )
    assert node.state is not NodeState.FAILED or node.failure is not None, f"'{name}' failed without a reason"
    assert node.state not in NODE_ACTIVE or node.input is not None, f"'{name}' is active without an input"
    assert node.state not in NODE_ACTIVE or node.attempt >= 1, f"'{name}' is active without an attempt"
    assert node.state is NodeState.WAITING or node.unresolved == 0, f"'{name}' counts needs but does not wait"
