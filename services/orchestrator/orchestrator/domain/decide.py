"""The heart: a run and an event in, a decision out. No I/O, no clock, no randomness.

In the order of a run's life: `begin`, then `decide` for every event until the run has ended.
"""

from collections.abc import Mapping
from typing import assert_never
from uuid import UUID

from orchestrator.domain import attempts, control, undo, waking
from orchestrator.domain.decision import Decision, GrantSlots, Outcome
from orchestrator.domain.detail import Child
from orchestrator.domain.draft import Draft
from orchestrator.domain.events import (
    RUN_WIDE,
    Answered,
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    BudgetExceeded,
    BudgetRaised,
    CacheAnswered,
    CancelRequested,
    ChildEnded,
    ChildStarted,
    CompensateRequested,
    DeadlinePassed,
    EventArrived,
    LeaseLapsed,
    PauseRequested,
    ReadyWentUnclaimed,
    ResumeRequested,
    RetryCameDue,
    RetryRequested,
    RunEvent,
    RunWideEvent,
    SkipRequested,
    SlotGranted,
    TimerWentOff,
)
from orchestrator.domain.finish import tell_others
from orchestrator.domain.fork import plan_fork
from orchestrator.domain.node import NodeState
from orchestrator.domain.plan import Plan
from orchestrator.domain.readiness import settle
from orchestrator.domain.refusals import why_refused
from orchestrator.domain.run import PRIORITY_DEFAULT, RUN_ENDED, Parent, Run, RunState
from orchestrator.domain.timely import is_timely, speaks_of_current, untimely
from orchestrator.domain.unit import undo_name
from penstock.contracts.template import Evaluate
from penstock.contracts.timeline import Kind
from penstock.contracts.value import Value, replace


class UnknownNode(KeyError):
    """The event names a node that the workflow version does not have."""


class Fork(Value, frozen=True):
    """The run that a new one goes on from, and at which node."""

    source: Run
    node: str


def begin(
    *,
    id: UUID,
    project: str,
    plan: Plan,
    input: bytes,
    evaluate: Evaluate,
    labels: Mapping[str, str] | None = None,
    traceparent: str | None = None,
    by: str | None = None,
    priority: int = PRIORITY_DEFAULT,
    parent: Parent | None = None,
    pins: Mapping[str, int] | None = None,
    concurrency_key: str | None = None,
    queued: bool = False,
    fork: Fork | None = None,
    paused: PauseRequested | None = None,
) -> Decision:
    """A new run, its roots ready; `queued`: its `concurrency_key` has no slot, and `SlotGranted` begins it;
    `paused`: its workflow is, and `ResumeRequested` begins it.

    `input` is JSON that the workflow's schema accepts.
    """
    run = Run(
        id=id,
        project=project,
        plan=plan,
        state=RunState.QUEUED if queued else RunState.RUNNING,
        version=0,
        nodes=plan.beginning,
        input=input,
        open_nodes=len(plan.nodes),
        active_nodes=0,
        failed_nodes=0,
        traceparent=traceparent,
        labels=labels or {},
        priority=priority,
        started_by=by,
        parent=parent,
        pins=pins or {},
        concurrency_key=concurrency_key,
        source=fork.source.id if fork else None,
    )
    return _begun(run, fork, evaluate, paused)


def _begun(run: Run, fork: Fork | None, evaluate: Evaluate, paused: PauseRequested | None) -> Decision:
    draft, plan = Draft(run, evaluate), run.plan
    draft.tell(Kind.RUN_STARTED, workflow=plan.definition.name, version=plan.version, **_origin(run, fork))
    if fork is not None:
        control.take_over(draft, fork.source, plan_fork(fork.source, plan, from_=fork.node))
    if run.state is RunState.QUEUED:
        draft.tell(Kind.RUN_QUEUED, key=run.concurrency_key)
        draft.order(GrantSlots(run.concurrency_key or ""))  # where the oldest gives way, it is told so then
        return draft.decision()
    if paused is not None:
        control.pause(draft, paused)
        return draft.decision()
    control.begin_nodes(draft)
    return _settled(draft, run)


def _origin(run: Run, fork: Fork | None) -> dict[str, str]:
    """Who started the run, as the timeline tells it."""
    origin = {"by": run.started_by} if run.started_by else {}
    if run.parent is not None:
        origin |= {"parent_run": str(run.parent.run), "parent_node": run.parent.node}
    if fork is not None:
        origin |= {"forked_from": str(fork.source.id), "from_node": fork.node}
    return origin


def decide(run: Run, event: RunEvent, *, evaluate: Evaluate) -> Decision:
    """What the event means for the run. One that is not timely changes nothing, and its outcome says why."""
    node = None
    if isinstance(event, ChildEnded):
        event = _addressed(run, event)
    if not isinstance(event, RUN_WIDE):
        node = run.nodes.get(event.node)
        if node is None:
            raise UnknownNode(event.node)
        if not speaks_of_current(node, event):
            return Decision(run=run, outcome=Outcome.LATE)
    if not is_timely(run, node, event):
        return Decision(run=run, outcome=untimely(run, node, event))
    reason = why_refused(run, event)
    if reason is not None:
        return Decision(run=run, outcome=Outcome.REFUSED, reason=reason)
    draft = Draft(run, evaluate)
    if not _apply(draft, event):
        return Decision(run=run, outcome=Outcome.LATE, commands=draft.orders)
    held = isinstance(event, AttemptClaimed) and event.refusal is not None
    return _settled(draft, run, Outcome.HELD if held else Outcome.APPLIED)


def _addressed(run: Run, event: ChildEnded) -> ChildEnded:
    """A child speaks to the node that started it; when that node is being undone, its undoing is meant.

    Unless it comes late: what is undone had succeeded, and an earlier attempt had another run.
    """
    undo = run.nodes.get(undo_name(event.node))
    if undo is None or undo.state is not NodeState.RUNNING or event.state == RunState.SUCCEEDED:
        return event
    if not isinstance(undo.detail, Child) or undo.detail.run != event.run:
        return event
    return replace(event, node=undo_name(event.node), attempt=undo.attempt)


def _settled(draft: Draft, before: Run, outcome: Outcome = Outcome.APPLIED) -> Decision:
    settle(draft)
    if draft.state in RUN_ENDED and (draft.state is not before.state or before.version == 0):
        tell_others(draft)
    return draft.decision(outcome)


def _apply(draft: Draft, event: RunEvent) -> bool:
    """Whether the event changed anything."""
    match event:
        case AttemptSucceeded():
            attempts.succeed(draft, event)
        case AttemptClaimed() if event.refusal is not None:
            attempts.hold(draft, event)
        case AttemptClaimed():
            attempts.claim(draft, event)
        case AttemptFailed():
            attempts.fail(draft, event)
        case AttemptReleased():
            attempts.release(draft, event)
        case AttemptParked():
            attempts.park(draft, event)
        case LeaseLapsed():
            attempts.lapse(draft, event)
        case RetryCameDue():
            attempts.retry(draft, event)
        case ReadyWentUnclaimed():
            attempts.publish_again(draft, event)
        case TimerWentOff():
            return waking.timer(draft, event)
        case EventArrived():
            return waking.event(draft, event)
        case Answered():
            waking.answer(draft, event)
        case CacheAnswered():
            return waking.cache_answer(draft, event)
        case ChildStarted():
            return waking.child_started(draft, event)
        case ChildEnded():
            return waking.child_ended(draft, event)
        case _:
            _apply_to_run(draft, event)
    return True


def _apply_to_run(draft: Draft, event: RunWideEvent) -> None:
    match event:
        case SlotGranted():
            control.grant_slot(draft)
        case CancelRequested():
            control.cancel(draft, event)
        case PauseRequested():
            control.pause(draft, event)
        case ResumeRequested():
            control.resume(draft, event)
        case RetryRequested():
            control.retry(draft, event)
        case SkipRequested():
            undo.skip_steps(draft, event)
        case CompensateRequested():
            control.compensate(draft, event)
        case DeadlinePassed():
            control.pass_deadline(draft, event)
        case BudgetExceeded():
            control.tell_exceeded(draft, event)
        case BudgetRaised():
            control.tell_raised(draft, event)
        case _:
            assert_never(event)
