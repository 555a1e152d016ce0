"""What a unit without a runner waited for has come, or its time is over."""

from typing import assert_never

from orchestrator.domain.answers import with_answer
from orchestrator.domain.beginning import begin_again
from orchestrator.domain.children import CHILD_LOOKED_AT
from orchestrator.domain.decision import AskCache, CancelChild, CompensateChild, LookBack, StartChild
from orchestrator.domain.detail import (
    Cached,
    Child,
    EventAwaited,
    Held,
    Lookup,
    Moment,
    Question,
    Spread,
    UndoSkipped,
)
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import fail_node, skip_node
from orchestrator.domain.events import (
    Answered,
    CacheAnswered,
    ChildEnded,
    ChildStarted,
    EventArrived,
    TimerWentOff,
)
from orchestrator.domain.foreach import carry_on_later
from orchestrator.domain.node import Node
from orchestrator.domain.offering import offer
from orchestrator.domain.outcomes import fail_attempt, succeed_unit
from orchestrator.domain.resolve import Unresolvable, is_true
from orchestrator.domain.run import RunState
from orchestrator.domain.unit import is_undo
from penstock.contracts.budget import QUESTION_PREFIX
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.messages import AgentAnswer
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.wire import encode
from penstock.contracts.workflow import Json, OnTimeout


def timer(draft: Draft, event: TimerWentOff) -> bool:
    """Whether it changed anything: most timers only make sure that what was ordered was not lost."""
    name, node = event.node, draft.node(event.node)
    match node.detail:
        case Moment():
            waited: dict[str, Json] = {}
            succeed_unit(draft, name, encode(waited))
        case EventAwaited() | Question() if event.overdue:
            _time_is_over(draft, name, node)
        case Held():
            begin_again(draft, name)
        case Spread():
            return carry_on_later(draft, name)
        case _:
            _ask_again(draft, name, node, overdue=event.overdue)
            return False
    return True


def _ask_again(draft: Draft, name: str, node: Node, *, overdue: bool) -> None:
    """What was ordered may have been lost with an orchestrator; whoever does it again finds what was done."""
    match node.detail:
        case EventAwaited(type=type, look_back_s=look_back_s):
            draft.order(LookBack(name, node.attempt, type, look_back_s))
        case Child():
            _look_after_child(draft, name, node, node.detail, overdue=overdue)
        case Lookup(key=key):
            draft.order(AskCache(name, node.attempt, key, draft.plan.work(name).agent or ""))
        case Moment() | Held() | Question() | Cached() | Spread() | UndoSkipped() | None:
            pass
        case _:
            assert_never(node.detail)


def event(draft: Draft, event: EventArrived) -> bool:
    """Whether the node takes this event; if not, it goes on waiting.

    An event on which the condition cannot be evaluated (it lacks a member, say) does not match: whoever may send
    events of this type could fail the node otherwise.
    """
    name, planned = event.node, draft.plan.planned(event.node)
    wait = planned.definition.wait
    if not isinstance(draft.node(name).detail, EventAwaited) or wait is None:
        return False
    condition = planned.compiled.event_if
    try:
        if condition is not None and not is_true(
            draft, condition, {"event": event.event}, what="wait.event.if"
        ):
            return False
    except Unresolvable:
        return False
    succeed_unit(draft, name, encode({"event": event.event, "timed_out": False}))
    return True


def answer(draft: Draft, event: Answered) -> None:
    question = draft.node(event.node).detail
    if isinstance(question, Question) and question.key is not None:
        _hand_over(draft, event, question.key)
        if question.key.startswith(QUESTION_PREFIX) and event.approved:
            _tell_raised(draft, event, question)
        return
    told: dict[str, Json] = {"by": event.by, "comment": event.comment}
    if event.approved:
        output = {"approved": True, **told, "fields": event.fields, "timed_out": False}
        succeed_unit(draft, event.node, encode(output), told={**told, "approved": True})
        return
    why = f": {event.comment}" if event.comment else ""
    failure = Failure("Rejected", f"{event.by} rejected it{why}", ErrorClass.AUTHORISATION, retryable=False)
    fail_node(draft, event.node, failure.cut(), told=told)


def _hand_over(draft: Draft, event: Answered, key: str) -> None:
    """An agent asked: yes or no, it is for the agent to act on. Its next attempt gets to the same point."""
    node = draft.node(event.node)
    answer = AgentAnswer(event.approved, event.by, event.comment, event.fields)
    draft.put(event.node, replace(node, answers=with_answer(node.answers, key, answer)))
    told: dict[str, Json] = {"by": event.by, "comment": event.comment, "approved": event.approved}
    draft.tell_of(Kind.NODE_ANSWERED, event.node, node.attempt, key=key, **told)
    begin_again(draft, event.node)


def _tell_raised(draft: Draft, event: Answered, question: Question) -> None:
    """The account changes in the same transaction (engine/budget_questions.py)."""
    account = question.details.get("budget") if isinstance(question.details, dict) else None
    amounts = {unit: event.fields[unit] for unit in ("dollars", "tokens") if event.fields.get(unit)}
    if amounts:
        draft.tell(Kind.RUN_BUDGET_RAISED, budget=str(account), by=event.by, reason=event.comment, **amounts)


def cache_answer(draft: Draft, event: CacheAnswered) -> bool:
    node = draft.node(event.node)
    if not isinstance(node.detail, Lookup) or node.detail.key != event.key:
        return False  # the answer is to what an earlier try of the run had asked
    if event.output is None or event.run is None:
        offer(draft, event.node, input=node.input)
        return True
    draft.put(event.node, replace(node, detail=Cached(node.detail.key, event.run)))
    told: dict[str, Json] = {"cached": True, "from_run": str(event.run)}
    succeed_unit(draft, event.node, event.output, told=told)
    return True


def child_started(draft: Draft, event: ChildStarted) -> bool:
    node = draft.node(event.node)
    if not isinstance(node.detail, Child) or node.detail.run is not None:
        return False
    draft.put(event.node, replace(node, detail=replace(node.detail, run=event.run), wake_in=CHILD_LOOKED_AT))
    draft.tell_of(Kind.NODE_CHILD_STARTED, event.node, node.attempt, run=str(event.run))
    if draft.state is RunState.CANCELLING:
        reason = draft.cancel_reason or "the run that it is a part of took too long"
        draft.order(CancelChild(event.node, event.run, reason))
    return True


def child_ended(draft: Draft, event: ChildEnded) -> bool:
    name, node = event.node, draft.node(event.node)
    if not isinstance(node.detail, Child):
        return False
    if node.detail.run is None and event.run is not None:
        draft.put(name, replace(node, detail=replace(node.detail, run=event.run)))
    told: dict[str, Json] = {"run": str(event.run)} if event.run else {}  # it may have had none
    ended_well = RunState.COMPENSATED if is_undo(name) else RunState.SUCCEEDED
    if event.state == ended_well:
        succeed_unit(draft, name, event.output or b"{}", told=told)
    else:
        fail_attempt(draft, name, _failure_of(event), spread=event.spread, told=told)
    return True


def _failure_of(event: ChildEnded) -> Failure:
    if event.failure is not None:
        whose = f"run {event.run} {event.state}: " if event.run else ""  # it may have had none
        message = f"{whose}{event.failure.message}"
        return replace(event.failure, message=message, stack=None).cut()
    return Failure("ChildRunEnded", f"run {event.run} was {event.state}", ErrorClass.ERROR)


def _time_is_over(draft: Draft, name: str, node: Node) -> None:
    """`on_timeout` says what becomes of a node that waited in vain."""
    definition = draft.plan.planned(name).definition
    waited = definition.approval or definition.wait
    assert waited is not None, "only a wait with a timeout is overdue"
    assert waited.timeout is not None, "only a wait with a timeout is overdue"
    what = "no answer" if definition.approval else "no such event"
    message = f"{what} came within {waited.timeout.total_seconds():g} s"
    match waited.on_timeout:
        case OnTimeout.FAIL:
            failure = Failure("WaitTimedOut", message, ErrorClass.TIMEOUT, retryable=False)
            fail_node(draft, name, failure)
        case OnTimeout.SKIP:
            skip_node(draft, name, reason=message)
        case OnTimeout.CONTINUE:
            succeed_unit(draft, name, encode({"timed_out": True}), told={"timed_out": True})
        case _:
            assert_never(waited.on_timeout)


def _look_after_child(draft: Draft, name: str, node: Node, child: Child, *, overdue: bool) -> None:
    stopping = draft.state is RunState.CANCELLING
    if is_undo(name):
        assert child.run is not None, "what is undone was a run"
        draft.order(CompensateChild(name, child.run, "its undoing is asked for again"))
    elif overdue and child.run is not None:
        timeout_s = draft.plan.work(name).timeout.total_seconds()
        reason = f"node '{name}' allows it {timeout_s:g} s"
        draft.order(CancelChild(name, child.run, reason, timed_out=True))
    elif stopping and child.run is not None:
        draft.order(CancelChild(name, child.run, draft.cancel_reason or "the run took too long"))
    else:
        assert node.input is not None, "a sub-workflow has an input"
        draft.order(StartChild(name, node.attempt, child.workflow, child.version, node.input))
