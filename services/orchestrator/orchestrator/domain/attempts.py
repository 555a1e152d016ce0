"""The life of an attempt: offered, claimed, and then succeeded, failed, lost or given back."""

from orchestrator.domain.decision import PublishReady
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import cancel_node, fail_node, may_start
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptReleased,
    AttemptSucceeded,
    LeaseLapsed,
    ReadyWentUnclaimed,
    RetryCameDue,
)
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.retry import is_worth_retrying, next_delay
from orchestrator.domain.run import RunState
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import LEASE, READY_UNCLAIMED_MAX
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import Json


def offer(draft: Draft, name: str, *, input: bytes | None) -> None:
    """Make the node ready for its next attempt and offer it to the runners."""
    node = draft.node(name)
    ready = replace(
        node,
        state=NodeState.READY,
        attempt=node.attempt + 1,
        token=None,
        unresolved=0,
        publication=1,
        input=input,
        wake_in=READY_UNCLAIMED_MAX,
        was_reset=False,
    )
    _publish(draft, name, ready)


def publish_again(draft: Draft, event: ReadyWentUnclaimed) -> None:
    """The same attempt once more: its message may be lost, or nobody was there to take it."""
    node = draft.node(event.node)
    ready = replace(node, publication=node.publication + 1, wake_in=READY_UNCLAIMED_MAX)
    _publish(draft, event.node, ready)


def claim(draft: Draft, event: AttemptClaimed) -> None:
    node = draft.node(event.node)
    held = replace(node, state=NodeState.RUNNING, token=event.token, runner=event.runner, wake_in=LEASE)
    draft.put(event.node, held)
    draft.tell_of(Kind.NODE_STARTED, event.node, node.attempt, runner=event.runner)


def succeed(draft: Draft, event: AttemptSucceeded) -> None:
    """Record the result. Also while cancelling: it did happen, and undoing needs to know."""
    node = draft.node(event.node)
    done = replace(
        node, state=NodeState.SUCCEEDED, token=None, output=event.output, failure=None, wake_in=None
    )
    draft.put(event.node, done)
    draft.tell_of(Kind.NODE_SUCCEEDED, event.node, node.attempt, **event.usage.told())


def fail(draft: Draft, event: AttemptFailed) -> None:
    _fail(draft, event.node, event.failure, event.spread, told=event.usage.told())


def lapse(draft: Draft, event: LeaseLapsed) -> None:
    runner = draft.node(event.node).runner
    message = f"runner '{runner}' stopped renewing its lease on attempt {event.attempt}; it may have died"
    failure = Failure(type="LeaseLapsed", message=message, error_class=ErrorClass.LOST)
    _fail(draft, event.node, failure, event.spread, told={})


def release(draft: Draft, event: AttemptReleased) -> None:
    """Offer it again under the next number, so that nothing late can speak for it, at no cost to its budget."""
    node = draft.node(event.node)
    draft.tell_of(Kind.NODE_RELEASED, event.node, node.attempt, runner=node.runner)
    if not may_start(draft, event.node):
        cancel_node(draft, event.node, reason=_why_not_again(draft))
        return
    draft.put(event.node, replace(node, first_attempt=node.first_attempt + 1))
    offer(draft, event.node, input=node.input)


def retry(draft: Draft, event: RetryCameDue) -> None:
    offer(draft, event.node, input=draft.node(event.node).input)


def _publish(draft: Draft, name: str, node: Node) -> None:
    draft.put(name, node)
    draft.tell_of(Kind.NODE_READY, name, node.attempt, publication=node.publication)
    draft.order(PublishReady(node=name, attempt=node.attempt, publication=node.publication))


def _fail(draft: Draft, name: str, failure: Failure, spread: float, *, told: dict[str, Json]) -> None:
    """Back-off, failed for good, or cancelled: whichever the budget and the state of the run say."""
    node = draft.node(name)
    if draft.state is RunState.CANCELLING:
        draft.put(name, replace(node, failure=failure))
        cancel_node(draft, name, reason=_why_not_again(draft))
        return
    profile = draft.plan.nodes[name].definition.retry
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


def _why_not_again(draft: Draft) -> str:
    if draft.state is RunState.CANCELLING:
        return draft.cancel_reason or "the run took too long"
    assert draft.failure is not None, "a run that starts nothing new has failed or is being cancelled"
    return draft.failure.message
