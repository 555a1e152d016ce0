"""Which event is timely in which state: the one table, and the two guards in front of every transition."""

from collections.abc import Mapping
from typing import TypeAlias

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptReleased,
    AttemptSucceeded,
    CancelRequested,
    DeadlinePassed,
    LeaseLapsed,
    ReadyWentUnclaimed,
    RetryCameDue,
    RetryRequested,
    RunEvent,
)
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.run import Run, RunState
from penstock.contracts.value import Value

NodeEvent: TypeAlias = (
    AttemptClaimed
    | AttemptSucceeded
    | AttemptFailed
    | AttemptReleased
    | LeaseLapsed
    | RetryCameDue
    | ReadyWentUnclaimed
)


class Timely(Value, frozen=True):
    """The states in which an event takes effect; `node_state` is None for events that name no node."""

    run_states: frozenset[RunState]
    node_state: NodeState | None = None


_RUNNING = frozenset({RunState.RUNNING})
_OPEN = frozenset({RunState.RUNNING, RunState.CANCELLING})

TIMELY: Mapping[type[RunEvent], Timely] = {
    AttemptClaimed: Timely(_RUNNING, NodeState.READY),
    AttemptSucceeded: Timely(_OPEN, NodeState.RUNNING),
    AttemptFailed: Timely(_OPEN, NodeState.RUNNING),
    AttemptReleased: Timely(_OPEN, NodeState.RUNNING),
    LeaseLapsed: Timely(_OPEN, NodeState.RUNNING),
    RetryCameDue: Timely(_RUNNING, NodeState.BACKOFF),
    ReadyWentUnclaimed: Timely(_RUNNING, NodeState.READY),
    CancelRequested: Timely(_RUNNING),
    RetryRequested: Timely(frozenset({RunState.FAILED, RunState.CANCELLED})),
    DeadlinePassed: Timely(_RUNNING),
}


def is_timely(run: Run, node: Node | None, event: RunEvent) -> bool:
    """Whether run and node are in a state in which the event takes effect."""
    timely = TIMELY[type(event)]
    if run.state not in timely.run_states:
        return False
    return node is None or node.state is timely.node_state


def speaks_of_current(node: Node, event: NodeEvent) -> bool:
    """Whether the event speaks of the node's present attempt, and of its holder if it has one."""
    if event.attempt != node.attempt:
        return False
    if isinstance(event, ReadyWentUnclaimed):
        return event.publication == node.publication
    if isinstance(event, (AttemptClaimed, RetryCameDue)):
        return True
    return node.token is None or event.token == node.token


def untimely(run: Run, node: Node | None, event: RunEvent) -> Outcome:
    """How an event that takes no effect is answered: it did before, it comes too late, or never could."""
    if isinstance(event, CancelRequested):
        return Outcome.REPEATED if _is_being_cancelled(run) else Outcome.REFUSED
    if isinstance(event, RetryRequested):
        return Outcome.REPEATED if _was_just_retried(run) else Outcome.REFUSED
    if node is None or isinstance(event, DeadlinePassed):
        return Outcome.LATE
    if _took_effect_before(node, event):
        return Outcome.REPEATED
    if isinstance(event, AttemptClaimed) and run.state is not RunState.RUNNING:
        return Outcome.REFUSED
    return Outcome.LATE


def _is_being_cancelled(run: Run) -> bool:
    return run.state in (RunState.CANCELLING, RunState.CANCELLED)


def _was_just_retried(run: Run) -> bool:
    """A repeated retry finds a run that runs and where nothing is left to retry."""
    return run.state is RunState.RUNNING and run.failed_nodes == 0


def _took_effect_before(node: Node, event: NodeEvent) -> bool:
    """Whether this very event brought the node into the state that it is in."""
    if event.attempt != node.attempt:
        return False
    match event:
        case AttemptClaimed():
            return node.state is NodeState.RUNNING and node.token == event.token
        case AttemptSucceeded():
            return node.state is NodeState.SUCCEEDED
        case AttemptFailed():
            return node.state in (NodeState.BACKOFF, NodeState.FAILED) and node.failure == event.failure
        case _:
            return False
