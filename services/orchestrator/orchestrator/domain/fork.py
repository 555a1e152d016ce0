"""Forks: a new run that takes over what another run has done, up to a node, and goes on from there.

A node's result is taken over if it succeeded and was not undone, is defined as it was, and does not lie behind the
node from which the fork goes on; nor behind one that is run again. Its output stays where it is and is referred to.
"""

from collections import deque

from orchestrator.domain.node import NODE_DONE, NODE_UNDO, Node, NodeState
from orchestrator.domain.plan import Plan
from orchestrator.domain.run import Run
from orchestrator.domain.unit import node_of
from penstock.contracts.errors import Conflict, NotFound
from penstock.contracts.value import Value

_RAN = frozenset(
    {NodeState.FAILED, *NODE_DONE}
)  # also without an attempt: an input that failed, a cached output


class ForkPlan(Value, frozen=True):
    """What a fork takes over and what it runs, each in the author's order. `changed` are defined differently."""

    reused: tuple[str, ...]
    run_again: tuple[str, ...]
    changed: tuple[str, ...]


def plan_fork(source: Run, plan: Plan, *, from_: str) -> ForkPlan:
    """What a fork of `source` would do. Raises NotFound (no such node), Conflict (it never ran)."""
    if from_ not in plan.nodes:
        raise NotFound("node", from_, tuple(plan.nodes))
    origin = source.nodes.get(from_)
    if origin is None or from_ not in source.plan.nodes:
        raise Conflict(
            f"node '{from_}' is not in version {source.plan.version}, which run {source.id} executes"
        )
    if origin.attempt == 0 and origin.state not in _RAN:
        raise Conflict(
            f"node '{from_}' never ran in run {source.id} (it is {origin.state}): fork from one that did"
        )
    changed = {name for name in plan.nodes if not _is_defined_alike(source.plan, plan, name)}
    undone = {node_of(name) for name, unit in source.nodes.items() if unit.state in NODE_UNDO}
    without = {name for name in plan.nodes if not _has_result(source, name)}
    again = without | undone.intersection(plan.nodes) | changed | {from_}
    _add_downstream(plan, again)
    return ForkPlan(
        reused=tuple(name for name in plan.nodes if name not in again),
        run_again=tuple(name for name in plan.nodes if name in again),
        changed=tuple(name for name in plan.nodes if name in changed),
    )


def taken_over(source: Run, name: str, *, completed: int) -> Node:
    """The node as the fork begins with it."""
    node = source.nodes[name]
    return Node(
        state=NodeState.SUCCEEDED,
        attempt=node.attempt,
        first_attempt=node.first_attempt,
        iteration=node.iteration,
        input=node.input,
        output=node.output,
        output_run=node.output_run or source.id,
        completed=completed,
    )


def _has_result(source: Run, name: str) -> bool:
    node = source.nodes.get(name)
    return node is not None and node.state is NodeState.SUCCEEDED


def _is_defined_alike(old: Plan, new: Plan, name: str) -> bool:
    before = old.nodes.get(name)
    return before is not None and before.definition == new.nodes[name].definition


def _add_downstream(plan: Plan, names: set[str]) -> None:
    queue = deque(names)
    while queue:
        for follower in plan.nodes[queue.popleft()].downstream:
            if follower not in names:
                names.add(follower)
                queue.append(follower)
