"""A run made again from what the store keeps of it: all of it, or what changed since it was known."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from orchestrator.domain.invariants import check, check_ends, unresolved_needs
from orchestrator.domain.node import NODE_ACTIVE, NODE_ENDED, Node, NodeState
from orchestrator.domain.nodes import NodeMap
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
    counts = _count(complete.values())
    run = Run(
        id=id,
        project=project,
        plan=plan,
        state=state,
        version=version,
        nodes=plan.beginning.with_changes(complete),
        input=input,
        open_nodes=counts.open,
        active_nodes=counts.active,
        failed_nodes=counts.failed,
        output=output,
        failure=failure,
        cancel_reason=cancel_reason,
        traceparent=traceparent,
        labels=labels or {},
    )
    check(run)
    return run


def catch_up(
    run: Run,
    rows: Mapping[str, Node],
    *,
    version: int,
    state: RunState,
    output: bytes | None = None,
    failure: Failure | None = None,
    cancel_reason: str | None = None,
) -> Run:
    """`run` as it is now: `rows` are all nodes that changed since. O(changed nodes and their edges).

    Like `rebuild` of all rows; only nodes that did not change keep their `wake_in`.
    """
    assert all(name in run.nodes for name in rows), "rows of nodes that are not in the plan"
    old = [run.nodes[name] for name in rows]
    before, after = _count(old), _count(rows.values())
    now = replace(
        run,
        state=state,
        version=version,
        nodes=run.nodes.with_changes(_followed(run, rows)),
        open_nodes=run.open_nodes + after.open - before.open,
        active_nodes=run.active_nodes + after.active - before.active,
        failed_nodes=run.failed_nodes + after.failed - before.failed,
        output=output,
        failure=failure,
        cancel_reason=cancel_reason,
    )
    check_ends(now)
    return now


def units_named(names: Iterable[str]) -> frozenset[str]:
    """The nodes that may have changed when events name `names`: they, and what they belong to.

    An item `patch[17]` moves its node `patch`; an undo `charge:undo` moves what it undoes.
    """
    units: set[str] = set()
    for name in names:
        done = name.removesuffix(":undo")
        units.update((name, done, done.partition("[")[0]))
    return frozenset(units)


class _Count(NamedTuple):
    """What a run counts of its nodes."""

    open: int
    active: int
    failed: int


def _count(nodes: Iterable[Node]) -> _Count:
    states = [node.state for node in nodes]
    return _Count(
        open=sum(state not in NODE_ENDED for state in states),
        active=sum(state in NODE_ACTIVE for state in states),
        failed=states.count(NodeState.FAILED),
    )


def _followed(run: Run, rows: Mapping[str, Node]) -> dict[str, Node]:
    """`rows` complete, and the waiting nodes that had to wait for some of them."""
    known = run.nodes.with_changes(rows)
    changes = {name: _derived(run.plan, known, name) for name in rows}
    for name, row in rows.items():
        ended = (row.state in NODE_ENDED) - (run.nodes[name].state in NODE_ENDED)
        for dependent in run.plan.nodes[name].downstream if ended else ():
            node = changes.get(dependent) or run.nodes[dependent]
            if dependent not in rows and node.state is NodeState.WAITING:
                changes[dependent] = replace(node, unresolved=node.unresolved - ended)
                assert node.unresolved > ended, f"'{dependent}' waits for nothing, and no event says why"
    return changes


def _derived(plan: Plan, known: Mapping[str, Node] | NodeMap[Node], name: str) -> Node:
    """The node with what only a waiting one has: a row of a waiting node says that it was reset."""
    node = known[name]
    if node.state is not NodeState.WAITING:
        return node
    was_reset = node is not plan.beginning[name]
    return replace(node, unresolved=unresolved_needs(plan, known, name), was_reset=was_reset)
