"""What must be true of every run. O(nodes): for a run that was read back, and for tests after every step."""

from collections.abc import Mapping

from orchestrator.domain.detail import Question, Spread
from orchestrator.domain.node import NODE_ACTIVE, NODE_DONE, NODE_ENDED, Node, NodeState
from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.plan import Plan
from orchestrator.domain.run import RUN_ENDED, Run, RunState
from orchestrator.domain.unit import index_of, is_item, is_undo, node_of, undone_by

_MAY_HAVE_NO_OPEN_NODE = RUN_ENDED | {RunState.COMPENSATING, RunState.PAUSED}
_SOMETHING_HAPPENS = (RunState.RUNNING, RunState.CANCELLING, RunState.COMPENSATING)


def check(run: Run) -> None:
    """Raises AssertionError with what is wrong and where."""
    assert all(name in run.nodes for name in run.plan.nodes), "the run lacks nodes of its plan"
    assert all(node_of(name) in run.plan.nodes for name in run.nodes), "a unit that is a part of no node"
    states = [run.nodes[name].state for name in run.plan.nodes]
    units = [node.state for _, node in run.nodes.items()]
    assert run.open_nodes == sum(state not in NODE_ENDED for state in states), "open nodes miscounted"
    assert run.active_nodes == sum(state in NODE_ACTIVE for state in units), "active nodes miscounted"
    assert run.failed_nodes == states.count(NodeState.FAILED), "failed nodes miscounted"
    check_ends(run)
    for name, node in run.nodes.items():
        _check_node(name, node)
        if node.state is NodeState.WAITING and name in run.plan.nodes:
            _check_waiting(run, name, node)
        elif name not in run.plan.nodes:
            _check_part(run, name, node)
        if isinstance(node.detail, Spread):
            _check_spread(run, name, node.detail)


def unresolved_needs(plan: Plan, nodes: Mapping[str, Node] | NodeMap[Node], name: str) -> int:
    """How many of the nodes that this one needs have not ended."""
    return sum(nodes[need].state not in NODE_ENDED for need in plan.nodes[name].upstream)


def check_ends(run: Run) -> None:
    """The part that costs nothing; the core asks it of every decision."""
    assert run.active_nodes >= 0, "active nodes miscounted"
    assert run.state not in RUN_ENDED or run.active_nodes == run.open_nodes == 0, "an ended run goes on"
    assert run.open_nodes > 0 or run.state in _MAY_HAVE_NO_OPEN_NODE, "a run ends when its last node does"
    assert run.state not in _SOMETHING_HAPPENS or run.active_nodes > 0, (
        "an open run in which nothing will ever happen"
    )
    assert run.state is not RunState.FAILED or run.failure is not None, "a run failed without a reason"
    assert run.state is not RunState.SUCCEEDED or run.failed_nodes == 0, "a run succeeded with a failed node"
    assert run.state is not RunState.CANCELLED or run.cancel_reason is not None, "cancelled without a reason"
    assert (run.state is RunState.PAUSED) == (run.pause is not None), (
        "exactly a paused run knows who paused it"
    )
    assert run.state not in (RunState.COMPENSATING, RunState.COMPENSATED) or run.undo, (
        "undone without a reason"
    )


def _check_waiting(run: Run, name: str, node: Node) -> None:
    """In a paused run ends are not passed on, and a queued run has not looked yet."""
    if run.state in (RunState.PAUSED, RunState.QUEUED):
        return
    assert node.unresolved == unresolved_needs(run.plan, run.nodes, name) > 0, f"'{name}' waits wrongly"
    assert run.state is RunState.RUNNING, f"'{name}' waits for what will never start"


def _check_part(run: Run, name: str, node: Node) -> None:
    if is_undo(name):
        done = run.nodes[undone_by(name)].state
        undoing = node.state in NODE_ACTIVE
        assert (done is NodeState.COMPENSATING) == undoing, f"'{name}' undoes what is {done}"
    else:
        assert is_item(name), f"'{name}' is no unit"
        parent = run.nodes[node_of(name)]
        assert node.state in NODE_ENDED or parent.state not in NODE_ENDED, f"'{name}' outlives its node"


def _check_spread(run: Run, name: str, spread: Spread) -> None:
    begun = [unit for unit, _ in run.nodes.items() if is_item(unit) and node_of(unit) == name]
    states = [run.nodes[unit].state for unit in begun if (index_of(unit) or 0) < spread.next]
    assert len(states) == spread.next <= spread.total, f"'{name}' lost items"
    assert spread.open == sum(state not in NODE_ENDED for state in states), f"'{name}' miscounts open items"
    assert spread.succeeded == sum(state in NODE_DONE for state in states), f"'{name}' miscounts successes"
    assert spread.failed == states.count(NodeState.FAILED), f"'{name}' miscounts failures"


def _check_node(name: str, node: Node) -> None:
    running = node.state is NodeState.RUNNING
    assert node.token is None or running, f"'{name}': only a running node has a holder"
    assert not running or node.token is not None or node.detail is not None, f"'{name}' runs nowhere"
    assert node.token is None or node.runner is not None, f"'{name}' is held by nobody"
    assert (node.state in NODE_DONE) == (node.output is not None), f"'{name}': output without success"
    assert (node.state in NODE_DONE) == (node.completed is not None), f"'{name}': success without a place"
    assert node.state is not NodeState.FAILED or node.failure is not None, f"'{name}' failed without a reason"
    assert node.state not in NODE_ACTIVE or node.input is not None, f"'{name}' is active without an input"
    assert node.state is not NodeState.SUSPENDED or node.detail is not None, f"'{name}' waits for nothing"
    assert node.state is NodeState.WAITING or node.unresolved == 0, f"'{name}' counts needs but does not wait"
    assert not isinstance(node.detail, Question) or node.state is not NodeState.RUNNING, f"'{name}' runs"
