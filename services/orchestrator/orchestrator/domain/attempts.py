"""The life of an attempt: offered, claimed, and then succeeded, failed, lost, given back or parked."""

from datetime import timedelta

from orchestrator.domain.beginning import begin_again
from orchestrator.domain.detail import Held
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import cancel_node, may_start
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    LeaseLapsed,
    ReadyWentUnclaimed,
    RetryCameDue,
)
from orchestrator.domain.node import NodeState
from orchestrator.domain.offering import offer, publish
from orchestrator.domain.outcomes import fail_attempt, succeed_unit, why_not_again
from orchestrator.domain.suspension import wait_for_answer
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import LEASE
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace


def publish_again(draft: Draft, event: ReadyWentUnclaimed) -> None:
    """The same attempt once more: its message may be lost, or nobody was there to take it."""
    node = draft.node(event.node)
    publish(draft, event.node, replace(node, publication=node.publication + 1))


def claim(draft: Draft, event: AttemptClaimed) -> None:
    node = draft.node(event.node)
    held = replace(node, state=NodeState.RUNNING, token=event.token, runner=event.runner, wake_in=LEASE)
    draft.put(event.node, held)
    version = {"agent_version": event.agent_version} if event.agent_version else {}
    draft.tell_of(Kind.NODE_STARTED, event.node, node.attempt, runner=event.runner, **version)


def hold(draft: Draft, event: AttemptClaimed) -> None:
    """Something is against the claim: wait, at no cost to the budget of attempts, and ask again later."""
    node, refusal = draft.node(event.node), event.refusal
    assert refusal is not None, "a claim is held for a reason"
    held = replace(
        node,
        state=NodeState.SUSPENDED,
        first_attempt=node.first_attempt + 1,
        detail=Held(refusal.code, refusal.key, refusal.sentence),
        wake_in=timedelta(seconds=refusal.wait_s),
    )
    draft.put(event.node, held)
    draft.tell_of(
        Kind.NODE_SUSPENDED,
        event.node,
        node.attempt,
        code=refusal.code,
        key=refusal.key,
        reason=refusal.sentence,
    )


def succeed(draft: Draft, event: AttemptSucceeded) -> None:
    """Record the result. Also while cancelling: it did happen, and undoing needs to know."""
    succeed_unit(draft, event.node, event.output, told=event.usage.told())


def fail(draft: Draft, event: AttemptFailed) -> None:
    fail_attempt(draft, event.node, event.failure, spread=event.spread, told=event.usage.told())


def lapse(draft: Draft, event: LeaseLapsed) -> None:
    runner = draft.node(event.node).runner
    message = f"runner '{runner}' stopped renewing its lease on attempt {event.attempt}; it may have died"
    failure = Failure(type="LeaseLapsed", message=message, error_class=ErrorClass.LOST)
    fail_attempt(draft, event.node, failure, spread=event.spread)


def release(draft: Draft, event: AttemptReleased) -> None:
    """Offer it again under the next number, so that nothing late can speak for it, at no cost to its budget."""
    node = draft.node(event.node)
    told = {} if event.usage is None else event.usage.told()
    draft.tell_of(Kind.NODE_RELEASED, event.node, node.attempt, runner=node.runner, **told)
    if not may_start(draft, event.node):
        cancel_node(draft, event.node, reason=why_not_again(draft))
        return
    draft.put(event.node, replace(node, first_attempt=node.first_attempt + 1))
    offer(draft, event.node, input=node.input)


def park(draft: Draft, event: AttemptParked) -> None:
    """Its runner goes, and the unit waits for a person, at no cost to its budget."""
    name, node = event.node, draft.node(event.node)
    told = event.usage.told()
    draft.tell_of(
        Kind.NODE_RELEASED, name, node.attempt, runner=node.runner, question=event.question.key, **told
    )
    if not may_start(draft, name):
        cancel_node(draft, name, reason=why_not_again(draft))
        return
    wait_for_answer(draft, name, event.question)


def retry(draft: Draft, event: RetryCameDue) -> None:
    begin_again(draft, event.node)
