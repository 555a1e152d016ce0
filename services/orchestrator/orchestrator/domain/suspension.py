"""Units that wait without a runner: for a moment, an event or a person. How their waiting begins."""

from datetime import UTC, datetime, timedelta

from orchestrator.domain.decision import LookBack
from orchestrator.domain.detail import Detail, EventAwaited, Moment, Question
from orchestrator.domain.draft import Draft
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.plan import PlanNode
from orchestrator.domain.resolve import Unresolvable, rendered
from penstock.contracts.duration import DURATION_EXPECTED, parse_duration
from penstock.contracts.limits import RUN_TIMEOUT_MAX
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import EventWait, Json

LOOKED_BACK_EVERY = timedelta(seconds=30)  # an event whose matching died with an orchestrator is found then


def ask_people(draft: Draft, name: str, planned: PlanNode) -> None:
    """Raises Unresolvable: the message cannot be made."""
    approval, message = planned.definition.approval, planned.compiled.message
    assert approval is not None, "a node of kind approval"
    assert message is not None, "a node of kind approval"
    text = str(rendered(draft, message, key="approval.message"))
    question = Question(text, approval.assignees, approval.no_self_approval, approval.form)
    _suspend(draft, name, question, wake_in=approval.timeout, deadline_in=approval.timeout)
    told: dict[str, Json] = {"message": text, "assignees": list(approval.assignees)}
    draft.tell_of(Kind.NODE_SUSPENDED, name, draft.node(name).attempt, code="approval", **told)


def wait_for_answer(draft: Draft, name: str, asked: AgentQuestion) -> None:
    """The agent of a running unit asks: wait, for as long as the run may take, and keep the attempt's number."""
    node = draft.node(name)
    question = Question(
        asked.message, asked.assignees, asked.no_self_approval, asked.form, asked.key, asked.details
    )
    parked = replace(
        node,
        state=NodeState.SUSPENDED,
        token=None,
        first_attempt=node.first_attempt + 1,
        detail=question,
        wake_in=None,
        deadline_in=None,
    )
    draft.put(name, parked)
    told: dict[str, Json] = {"message": asked.message, "assignees": list(asked.assignees)}
    draft.tell_of(Kind.NODE_SUSPENDED, name, node.attempt, code="question", key=asked.key, **told)


def begin_wait(draft: Draft, name: str, planned: PlanNode) -> None:
    """Raises Unresolvable: the moment or the duration is none."""
    wait = planned.definition.wait
    assert wait is not None, "a node of kind wait"
    if wait.event is not None:
        _await_event(draft, name, wait.event, timeout=wait.timeout)
    elif wait.until is not None:
        until = _moment(_text(draft, planned, wait.until, key="wait.until"))
        _suspend(draft, name, Moment(until), wake_until=until)
        draft.tell_of(Kind.NODE_SUSPENDED, name, draft.node(name).attempt, code="moment", until=until)
    else:
        duration = wait.duration
        if not isinstance(duration, timedelta):
            duration = _duration(_text(draft, planned, duration or "", key="wait.duration"))
        _suspend(draft, name, Moment(), wake_in=duration)
        seconds = duration.total_seconds()
        draft.tell_of(Kind.NODE_SUSPENDED, name, draft.node(name).attempt, code="moment", seconds=seconds)


def _await_event(draft: Draft, name: str, event: EventWait, *, timeout: timedelta | None) -> None:
    awaited = EventAwaited(event.type, event.look_back.total_seconds(), event.if_)
    _suspend(draft, name, awaited, wake_in=LOOKED_BACK_EVERY, deadline_in=timeout)
    attempt = draft.node(name).attempt
    draft.tell_of(Kind.NODE_SUSPENDED, name, attempt, code="event", type=event.type)
    draft.order(LookBack(name, attempt, awaited.type, awaited.look_back_s))


def _suspend(
    draft: Draft,
    name: str,
    detail: Detail,
    *,
    wake_in: timedelta | None = None,
    wake_until: datetime | None = None,
    deadline_in: timedelta | None = None,
) -> None:
    node = draft.unit(name) or Node()
    suspended = replace(
        node,
        state=NodeState.SUSPENDED,
        attempt=node.attempt + 1,
        unresolved=0,
        input=b"{}",
        detail=detail,
        wake_in=wake_in,
        wake_until=wake_until,
        deadline_in=deadline_in,
        was_reset=False,
    )
    draft.put(name, suspended)


def _text(draft: Draft, planned: PlanNode, text: str, *, key: str) -> Json:
    template = planned.compiled.moment
    return text if template is None else rendered(draft, template, key=key)


def _moment(value: Json) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        message = f"wait.until: expected a moment like 2026-11-21T09:00:00Z, got {value!r}"
        raise Unresolvable("NotAMoment", message[:500]) from None


def _duration(value: Json) -> timedelta:
    duration = parse_duration(value) if isinstance(value, str) else None
    if duration is None or duration > RUN_TIMEOUT_MAX:
        message = f"wait.duration: expected {DURATION_EXPECTED}, at most 30d, got {value!r}"
        raise Unresolvable("NotADuration", message[:500])
    return duration
