"""How the work of a unit came out: success (perhaps once more, with `repeat`), or a failed attempt."""

from collections.abc import Mapping

from orchestrator.domain.answers import NO_ANSWERS
from orchestrator.domain.beginning import scope_of, start_unit
from orchestrator.domain.decision import KeepOutput
from orchestrator.domain.detail import Lookup
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import NOTHING_TOLD, cancel_node, fail_node, may_start
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.plan import PlanNode
from orchestrator.domain.resolve import Unresolvable, is_true
from orchestrator.domain.retry import is_worth_retrying, next_delay
from orchestrator.domain.run import RunState
from orchestrator.domain.unit import is_undo
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.wire import decode
from penstock.contracts.workflow import Json, OnMax


def succeed_unit(draft: Draft, name: str, output: bytes, *, told: Mapping[str, Json] = NOTHING_TOLD) -> None:
    """The unit's work succeeded: it ends, unless `repeat` wants it again."""
    node, planned = draft.node(name), draft.plan.planned(name)
    if planned.definition.repeat is None or is_undo(name) or _has_items(draft, name):
        _end_well(draft, name, node, planned, output, told)
        return
    try:
        again = _wants_repetition(draft, name, planned, output)
        if again:
            _repeat(draft, name, output, told)
    except Unresolvable as error:
        fail_node(draft, name, error.failure, told=told)
        return
    if not again:
        _end_well(draft, name, node, planned, output, told)


def fail_attempt(
    draft: Draft, name: str, failure: Failure, *, spread: float, told: Mapping[str, Json] = NOTHING_TOLD
) -> None:
    """Back-off, failed for good, or cancelled: whichever the budget and the state of the run say."""
    node = draft.node(name)
    if draft.state is RunState.CANCELLING:
        draft.put(name, replace(node, failure=failure))
        cancel_node(draft, name, reason=why_not_again(draft), told=told)
        return
    profile = draft.plan.work(name).retry
    delay = None
    if may_start(draft, name) and is_worth_retrying(profile, failure):
        delay = next_delay(profile, attempt=node.attempt - node.first_attempt + 1, spread=spread)
    if delay is None:
        fail_node(draft, name, failure, told=told)
        return
    waiting = replace(node, state=NodeState.BACKOFF, token=None, failure=failure, wake_in=delay)
    draft.put(name, waiting)
    draft.tell_of(
        Kind.NODE_ATTEMPT_FAILED,
        name,
        node.attempt,
        failure=failure,
        retry_in_s=delay.total_seconds(),
        **told,
    )


def why_not_again(draft: Draft) -> str:
    if draft.state is RunState.CANCELLING:
        return draft.cancel_reason or "the run took too long"
    assert draft.failure is not None, "a run that starts nothing new has failed or is being cancelled"
    return draft.failure.message


def _end_well(
    draft: Draft, name: str, node: Node, planned: PlanNode, output: bytes, told: Mapping[str, Json]
) -> None:
    done = replace(
        node,
        state=NodeState.SUCCEEDED,
        token=None,
        output=output,
        previous=None,
        failure=None,
        unresolved=0,
        completed=draft.next_version,
        wake_in=None,
        wake_until=None,
        deadline_in=None,
        was_reset=False,
    )
    draft.put(name, done)
    draft.tell_of(Kind.NODE_SUCCEEDED, name, node.attempt, **told)
    cache = planned.definition.cache
    if cache is not None and isinstance(node.detail, Lookup):
        ttl_s, agent = cache.ttl.total_seconds(), planned.work.agent or ""
        draft.order(KeepOutput(name, agent, node.detail.key, output, ttl_s))


def _has_items(draft: Draft, name: str) -> bool:
    """Of a node with `foreach` the items are repeated, each by itself."""
    return name in draft.plan.nodes and draft.plan.nodes[name].definition.foreach is not None


def _wants_repetition(draft: Draft, name: str, planned: PlanNode, output: bytes) -> bool:
    """Raises Unresolvable: `until` cannot be evaluated, or was never true."""
    repeat, until = planned.definition.repeat, planned.compiled.until
    assert repeat is not None, "asked of a node that repeats"
    assert until is not None, "asked of a node that repeats"
    scope = {**scope_of(draft, name), "output": decode(output, object)}
    if is_true(draft, until, scope, what="repeat.until"):
        return False
    if draft.node(name).iteration < repeat.max_:
        return may_start(draft, name)
    if repeat.on_max is OnMax.SUCCEED:
        return False
    message = f"`until` was still false after {repeat.max_} iterations: {until.source}"
    raise Unresolvable("RepeatExhausted", message, ErrorClass.ERROR)


def _repeat(draft: Draft, name: str, output: bytes, told: Mapping[str, Json]) -> None:
    node = draft.node(name)
    draft.tell_of(Kind.NODE_REPEATED, name, node.attempt, iteration=node.iteration, **told)
    again = replace(
        node,
        token=None,
        iteration=node.iteration + 1,
        previous=output,
        answers=None if node.answers is None else NO_ANSWERS,  # they were about the iteration that ended
        first_attempt=node.attempt + 1,
        failure=None,
        detail=None,
    )
    draft.put(name, again)
    start_unit(draft, name)
