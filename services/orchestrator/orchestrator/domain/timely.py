"""Which event is timely in which state: the one table, and the two guards in front of every transition."""

from collections.abc import Mapping

from orchestrator.domain.answers import answers_of
from orchestrator.domain.decision import Outcome
from orchestrator.domain.detail import Question
from orchestrator.domain.events import (
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
    NodeEvent,
    PauseRequested,
    ReadyWentUnclaimed,
    ResumeRequested,
    RetryCameDue,
    RetryRequested,
    RunEvent,
    SkipRequested,
    SlotGranted,
    TimerWentOff,
)
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.run import PauseCause, Run, RunState
from penstock.contracts.value import Value


class Timely(Value, frozen=True):
    """The states in which an event takes effect; `node_states` is None for events that name no node."""

    run_states: frozenset[RunState]
    node_states: frozenset[NodeState] | None = None


_STARTING = frozenset({RunState.RUNNING, RunState.COMPENSATING})
_GOING_ON = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.COMPENSATING})
_OPEN = _GOING_ON | {RunState.CANCELLING}
_READY = frozenset({NodeState.READY})
_RUNNING = frozenset({NodeState.RUNNING})
_SUSPENDED = frozenset({NodeState.SUSPENDED})

TIMELY: Mapping[type[RunEvent], Timely] = {
    AttemptClaimed: Timely(_STARTING, _READY),
    AttemptSucceeded: Timely(_OPEN, _RUNNING),
    AttemptFailed: Timely(_OPEN, _RUNNING),
    AttemptReleased: Timely(_OPEN, _RUNNING),
    AttemptParked: Timely(_OPEN, _RUNNING),
    LeaseLapsed: Timely(_OPEN, _RUNNING),
    RetryCameDue: Timely(_GOING_ON, frozenset({NodeState.BACKOFF})),
    ReadyWentUnclaimed: Timely(_STARTING, _READY),
    TimerWentOff: Timely(_OPEN, frozenset({NodeState.SUSPENDED, NodeState.RUNNING})),
    EventArrived: Timely(_GOING_ON, _SUSPENDED),
    Answered: Timely(_GOING_ON, _SUSPENDED),
    ChildStarted: Timely(_OPEN, _RUNNING),
    ChildEnded: Timely(_OPEN, _RUNNING),
    CacheAnswered: Timely(_GOING_ON, _SUSPENDED),
    SlotGranted: Timely(frozenset({RunState.QUEUED})),
    CancelRequested: Timely(frozenset({RunState.QUEUED, RunState.RUNNING, RunState.PAUSED})),
    PauseRequested: Timely(frozenset({RunState.RUNNING})),
    ResumeRequested: Timely(frozenset({RunState.PAUSED})),
    RetryRequested: Timely(frozenset({RunState.FAILED, RunState.CANCELLED, RunState.PAUSED})),
    SkipRequested: Timely(frozenset({RunState.PAUSED})),
    CompensateRequested: Timely(frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})),
    DeadlinePassed: Timely(frozenset({RunState.RUNNING})),
    BudgetExceeded: Timely(_OPEN),
    BudgetRaised: Timely(frozenset(RunState)),
}


def is_timely(run: Run, node: Node | None, event: RunEvent) -> bool:
    """Whether run and node are in a state in which the event takes effect."""
    timely = TIMELY[type(event)]
    if run.state not in timely.run_states:
        return isinstance(event, PauseRequested) and _takes_over(run, event)
    if node is None or timely.node_states is None:
        return True
    # An answer that comes again finds the agent already asking for the next one.
    is_repeated = type(event) is Answered and event.question is not None and _was_answered(node, event)
    return node.state in timely.node_states and not is_repeated


def _takes_over(run: Run, event: PauseRequested) -> bool:
    """Of a run that is paused with its workflow, a person's pause stays when the workflow goes on."""
    return not event.of_workflow and is_paused_with_workflow(run)


def is_paused_with_workflow(run: Run) -> bool:
    return run.pause is not None and run.pause.cause is PauseCause.WORKFLOW


def speaks_of_current(node: Node, event: NodeEvent) -> bool:
    """Whether the event speaks of the node's present attempt, and of its holder if it has one."""
    match event:
        case Answered():
            return True
        case ReadyWentUnclaimed():
            return event.attempt == node.attempt and event.publication == node.publication
        case AttemptSucceeded() | AttemptFailed() | AttemptReleased() | AttemptParked() | LeaseLapsed():
            held = node.state is NodeState.RUNNING
            return event.attempt == node.attempt and (not held or event.token == node.token)
        case TimerWentOff():
            return event.attempt == node.attempt and node.token is None
        case _:
            return event.attempt == node.attempt


def untimely(run: Run, node: Node | None, event: RunEvent) -> Outcome:
    """How an event that takes no effect is answered: it did before, it comes too late, or never could."""
    match event:
        case CancelRequested():
            return _repeated(run.state in (RunState.CANCELLING, RunState.CANCELLED))
        case RetryRequested():
            return _repeated(_was_just_retried(run))
        case PauseRequested():
            return _repeated(run.state is RunState.PAUSED)
        case ResumeRequested():
            return _repeated(run.state is RunState.RUNNING)
        case CompensateRequested():
            return _repeated(run.state in (RunState.COMPENSATING, RunState.COMPENSATED))
        case SkipRequested():
            return _repeated(run.undo is not None and run.state is not RunState.PAUSED)
        case DeadlinePassed() | SlotGranted() | BudgetExceeded() | BudgetRaised():
            return Outcome.LATE
    assert node is not None, "an event of a node has its node"
    if _took_effect_before(node, event):
        return Outcome.REPEATED
    refused = isinstance(event, Answered) or (
        isinstance(event, AttemptClaimed) and run.state not in _STARTING
    )
    return Outcome.REFUSED if refused else Outcome.LATE


def _repeated(it_did: bool) -> Outcome:
    return Outcome.REPEATED if it_did else Outcome.REFUSED


def _was_just_retried(run: Run) -> bool:
    """A repeated retry finds a run that runs, or queues for it, and where nothing is left to retry."""
    going_on = run.state in (RunState.QUEUED, RunState.RUNNING, RunState.COMPENSATING)
    return going_on and (run.failed_nodes == 0 or run.undo is not None)


def is_parked(run: Run) -> bool:
    """Whether the run waits for a person because its undoing met a step that keeps failing."""
    return run.pause is not None and run.pause.cause is PauseCause.COMPENSATION


def _took_effect_before(node: Node, event: NodeEvent) -> bool:
    """Whether this very event brought the node into the state that it is in."""
    if not isinstance(event, Answered) and event.attempt != node.attempt:
        return False
    match event:
        case AttemptClaimed():
            return node.state is NodeState.RUNNING and node.token == event.token
        case AttemptSucceeded():
            return node.state is NodeState.SUCCEEDED
        case AttemptFailed():
            return node.state in (NodeState.BACKOFF, NodeState.FAILED) and node.failure == event.failure
        case AttemptParked():
            asked = node.detail if node.state is NodeState.SUSPENDED else None
            return isinstance(asked, Question) and asked.key == event.question.key
        case Answered() if node.answers is not None:
            return _was_answered(node, event)
        case Answered():
            return node.state is (NodeState.SUCCEEDED if event.approved else NodeState.FAILED)
        case _:
            return False


def _was_answered(node: Node, event: Answered) -> bool:
    """Whether the agent's question was answered so before; without a key, the question that came last."""
    answers = answers_of(node.answers)
    key = event.question if event.question is not None else next(reversed(answers), None)
    known = None if key is None else answers.get(key)
    return known is not None and (known.approved, known.by) == (event.approved, event.by)
