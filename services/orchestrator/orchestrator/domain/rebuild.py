"""A run made again from what the store keeps of it: all of it, or what changed since it was known."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orchestrator.domain.invariants import check, check_ends, unresolved_needs
from orchestrator.domain.node import NODE_ACTIVE, NODE_ENDED, Node, NodeState
from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.plan import Plan
from orchestrator.domain.run import Run, RunState
from orchestrator.domain.unit import node_of, undone_by
from penstock.contracts.value import replace


def rebuild(run: Run, nodes: Mapping[str, Node]) -> Run:
    """`run` with its nodes and its counters. `nodes` are the stored units; the others wait since the start.

    Whatever nodes and counters `run` comes with is not looked at. What follows from the plan and the states
    (`unresolved`, `was_reset`) is not read but worked out; `wake_in` is None, for the store holds the moment.
    """
    plan = run.plan
    known = {**dict(plan.beginning.items()), **nodes}
    complete = {name: _derived(plan, known, name) for name in known}
    counts = _count(plan, complete)
    rebuilt = replace(
        run,
        nodes=plan.beginning.with_changes(complete),
        open_nodes=counts.open,
        active_nodes=counts.active,
        failed_nodes=counts.failed,
    )
    check(rebuilt)
    return rebuilt


def catch_up(run: Run, known: Run, units: Mapping[str, Node]) -> Run:
    """`run` with its nodes and its counters, from `known`, an earlier version, and all units that changed since.

    Like `rebuild` of all units; only what did not change keeps its `wake_in`. O(changed units and their edges).
    For runs whose new events `tell_all`.
    """
    before = _count(run.plan, {name: known.nodes.get(name) or Node() for name in units})
    after = _count(run.plan, units)
    now = replace(
        run,
        nodes=known.nodes.with_changes(_followed(known, units)),
        open_nodes=known.open_nodes + after.open - before.open,
        active_nodes=known.active_nodes + after.active - before.active,
        failed_nodes=known.failed_nodes + after.failed - before.failed,
    )
    check_ends(now)
    return now


def tell_all(state: RunState, kinds: Iterable[str]) -> bool:
    """Whether these events name all units that changed. Events of the whole run do not; and while a run is
    paused or queued, ends are not passed on to the nodes that wait for them."""
    return state not in _HELD and not any(kind.startswith("run.") for kind in kinds)


_HELD = frozenset({RunState.PAUSED, RunState.QUEUED})


def units_named(names: Iterable[str]) -> frozenset[str]:
    """The units that may have changed when events name `names`: they, and what they are a part of or undo."""
    return frozenset(unit for name in names for unit in (name, undone_by(name), node_of(name)))


class _Count(NamedTuple):
    """What a run counts of its units."""

    open: int
    active: int
    failed: int


def _count(plan: Plan, units: Mapping[str, Node]) -> _Count:
    states = [node.state for name, node in units.items() if name in plan.nodes]
    return _Count(
        open=sum(state not in NODE_ENDED for state in states),
        active=sum(node.state in NODE_ACTIVE for node in units.values()),
        failed=states.count(NodeState.FAILED),
    )


def _followed(known: Run, units: Mapping[str, Node]) -> dict[str, Node]:
    """`units` complete, and the waiting nodes that had to wait for some of them."""
    plan, nodes = known.plan, known.nodes.with_changes(units)
    changes = {name: _derived(plan, nodes, name) for name in units}
    for name in units.keys() & plan.nodes.keys():
        ended = (units[name].state in NODE_ENDED) - (known.nodes[name].state in NODE_ENDED)
        for dependent in plan.nodes[name].downstream if ended else ():
            node = changes.get(dependent) or known.nodes[dependent]
            if dependent not in units and node.state is NodeState.WAITING:
                changes[dependent] = replace(node, unresolved=node.unresolved - ended)
                assert node.unresolved > ended, f"'{dependent}' waits for nothing, and no event says why"
    return changes


def _derived(plan: Plan, known: Mapping[str, Node] | NodeMap[Node], name: str) -> Node:
    """The node with what only a waiting one has: a row of a waiting node says that it was reset."""
    node = known[name]
    if node.state is not NodeState.WAITING:
        return node
    if name not in plan.nodes:
        return replace(node, was_reset=True)
    was_reset = node is not plan.beginning[name]
    return replace(node, unresolved=unresolved_needs(plan, known, name), was_reset=was_reset)
