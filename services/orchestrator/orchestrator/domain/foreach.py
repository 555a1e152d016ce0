"""`foreach`: a node once for each item of a list, in a window of at most `max_parallel` items at a time.

Items are units of their own (`patch[17]`) and come into being when the window reaches them. What each step
costs does not depend on how many items there are.
"""

from orchestrator.domain.beginning import start_unit
from orchestrator.domain.detail import Spread
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import cancel_node, fail_node, may_start
from orchestrator.domain.node import NODE_DONE, NODE_ENDED, Node, NodeState, reset
from orchestrator.domain.outcomes import succeed_unit
from orchestrator.domain.plan import PlanNode
from orchestrator.domain.resolve import Unresolvable, rendered
from orchestrator.domain.run import RunState
from orchestrator.domain.unit import item_name, node_of
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import FOREACH_BYTES_MAX, FOREACH_ITEMS_MAX
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.wire import encode
from penstock.contracts.workflow import ForeachDefinition


def expand(draft: Draft, name: str, planned: PlanNode) -> None:
    """Take the list and begin its first items. Raises Unresolvable: it is no list, or too long."""
    total, input = _list_of(draft, planned)
    node = draft.node(name)
    spread = Spread(total)
    running = replace(
        node,
        state=NodeState.RUNNING,
        attempt=node.attempt + 1,
        unresolved=0,
        input=input,
        detail=spread,
        was_reset=False,
    )
    draft.put(name, running)
    draft.tell_of(Kind.NODE_EXPANDED, name, running.attempt, items=total)
    carry_on(draft, name)


def carry_on(draft: Draft, name: str) -> None:
    """Begin items until the window is full, and end the node when nothing is left to wait for."""
    node = draft.node(name)
    if node.state is not NodeState.RUNNING:
        return
    foreach, spread = _foreach(draft, name), _spread(node)
    going_on = draft.state is RunState.RUNNING and may_start(draft, name)
    if going_on and not _failed_too_often(foreach, spread):
        spread = _fill(draft, name, foreach, spread)
        draft.put(name, replace(node, detail=spread))
    if spread.open == 0:
        _end(draft, name, foreach, spread)


def item_ended(draft: Draft, item: str) -> None:
    name = node_of(item)
    node = draft.node(name)
    before, state = _spread(node), draft.node(item).state
    spread = replace(
        before,
        open=before.open - 1,
        succeeded=before.succeeded + (state in NODE_DONE),
        failed=before.failed + (state is NodeState.FAILED),
        cancelled=before.cancelled + (state in (NodeState.CANCELLED, NodeState.SKIPPED)),
    )
    draft.put(name, replace(node, detail=spread))
    foreach = _foreach(draft, name)
    if _failed_too_often(foreach, spread) and not _failed_too_often(foreach, before):
        _cancel_open(draft, name, spread, reason="too many items have failed")
    carry_on(draft, name)


def _fill(draft: Draft, name: str, foreach: ForeachDefinition, spread: Spread) -> Spread:
    opened, kept, place = spread.open, spread.succeeded, spread.next
    while opened < foreach.max_parallel and place < spread.total:
        item = item_name(name, place)
        place += 1
        known = draft.unit(item)
        if known is not None and known.state is NodeState.SUCCEEDED:
            kept += 1  # of an earlier try of the run: it keeps its result
            continue
        if known is not None:
            draft.put(item, reset(known))  # not before its turn: it may never come again
        opened += 1
        try:
            start_unit(draft, item)
        except Unresolvable as error:
            fail_node(draft, item, error.failure)
    return replace(spread, open=opened, succeeded=kept, next=place)


def _end(draft: Draft, name: str, foreach: ForeachDefinition, spread: Spread) -> None:
    """No item is open: the node has succeeded, failed or been cancelled; or its run is paused and it waits."""
    if _failed_too_often(foreach, spread):
        fail_node(draft, name, _failure_of(draft, name, spread))
    elif spread.cancelled > 0 or (spread.next < spread.total and draft.state is not RunState.PAUSED):
        cancel_node(draft, name, reason="its run stops")
    elif spread.next == spread.total:
        output = _output_of(draft, name, spread)
        if len(output) > FOREACH_BYTES_MAX:
            fail_node(draft, name, _too_large(len(output), what="the list of the items' outputs"))
        else:
            told = {"items": spread.total, "failed": spread.failed}
            succeed_unit(draft, name, output, told=told)


def _output_of(draft: Draft, name: str, spread: Spread) -> bytes:
    """The items' outputs in the order of the items; null for one whose failure was tolerated."""
    nodes = (draft.node(item_name(name, index)) for index in range(spread.total))
    return b"[" + b",".join([node.output or b"null" for node in nodes]) + b"]"


def _failed_too_often(foreach: ForeachDefinition, spread: Spread) -> bool:
    if foreach.failures_share is not None:
        return spread.failed > foreach.failures_share * spread.total
    return spread.failed > foreach.failures_max


def _cancel_open(draft: Draft, name: str, spread: Spread, *, reason: str) -> None:
    """Nothing new begins; what runs is waited for."""
    for index in range(spread.next):
        item = item_name(name, index)
        state = draft.node(item).state
        if state is not NodeState.RUNNING and state not in NODE_ENDED:
            cancel_node(draft, item, reason=reason)


def _failure_of(draft: Draft, name: str, spread: Spread) -> Failure:
    """Counts, and the first item that failed with what it failed of."""
    first = next(
        item
        for index in range(spread.next)
        if (item := item_name(name, index)) and (unit := draft.unit(item)) and unit.failure is not None
        if unit.state is NodeState.FAILED
    )
    failure = draft.node(first).failure
    assert failure is not None, "a failed item has a failure"
    message = f"{spread.failed} of {spread.total} items failed; the first, {first}: {failure.message}"
    return replace(failure, type="ItemsFailed", message=message, stack=None, retryable=False).cut()


def _list_of(draft: Draft, planned: PlanNode) -> tuple[int, bytes]:
    template = planned.compiled.items
    assert template is not None, "a node with foreach has a list"
    value = rendered(draft, template, key="foreach")
    if not isinstance(value, list):
        raise Unresolvable(
            "NotAList", f"foreach: expected a list, got {type(value).__name__}: {str(value)[:80]}"
        )
    if len(value) > FOREACH_ITEMS_MAX:
        message = f"foreach: the list has {len(value)} items, the limit is {FOREACH_ITEMS_MAX}"
        raise Unresolvable("TooLarge", message)
    input = encode(value)
    if len(input) > FOREACH_BYTES_MAX:
        failure = _too_large(len(input), what="the list of items")
        raise Unresolvable(failure.type, failure.message)
    return len(value), input


def _too_large(size: int, *, what: str) -> Failure:
    message = (
        f"{what} has {size} bytes, the limit is {FOREACH_BYTES_MAX}: hand over large values as artifacts"
    )
    return Failure("TooLarge", message, ErrorClass.VALIDATION, retryable=False)


def _foreach(draft: Draft, name: str) -> ForeachDefinition:
    foreach = draft.plan.nodes[name].definition.foreach
    assert foreach is not None, "asked of a node with items"
    return foreach


def _spread(node: Node) -> Spread:
    assert isinstance(node.detail, Spread), "a node with items counts them"
    return node.detail
