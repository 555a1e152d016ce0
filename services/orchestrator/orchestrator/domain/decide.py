"""The heart: a run and an event in, a decision out. No I/O, no clock, no randomness.

In the order of a run's life: `begin`, then `decide` for every event until the run has ended.
"""

from collections.abc import Mapping
from typing import assert_never
from uuid import UUID

from orchestrator.domain import attempts, control
from orchestrator.domain.decision import Decision, Outcome
from orchestrator.domain.draft import Draft
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
from orchestrator.domain.node import NodeState
from orchestrator.domain.plan import Plan
from orchestrator.domain.readiness import settle, start_or_skip
from orchestrator.domain.run import Run, RunState
from orchestrator.domain.timely import is_timely, speaks_of_current, untimely
from penstock.contracts.template import Evaluate
from penstock.contracts.timeline import Kind


class UnknownNode(KeyError):
    """The event names a node that the workflow version does not have."""


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
) -> Decision:
    """A new run, its roots ready. `input` is JSON that the workflow's schema accepts."""
    run = Run(
        id=id,
        project=project,
        plan=plan,
        state=RunState.RUNNING,
        version=0,
        nodes=plan.beginning,
        input=input,
        open_nodes=len(plan.nodes),
        active_nodes=0,
        failed_nodes=0,
        traceparent=traceparent,
        labels=labels or {},
    )
    draft = Draft(run, evaluate)
    started_by = {"by": by} if by else {}
    draft.tell(Kind.RUN_STARTED, workflow=plan.definition.name, version=plan.version, **started_by)
    for name in plan.roots:
        # A root that cannot begin fails, and may cancel those after it.
        if draft.node(name).state is NodeState.WAITING:
            start_or_skip(draft, name)
    settle(draft)
    return draft.decision()


def decide(run: Run, event: RunEvent, *, evaluate: Evaluate) -> Decision:
    """What the event means for the run. One that is not timely changes nothing, and its outcome says why."""
    node = None
    if not isinstance(event, (CancelRequested, RetryRequested, DeadlinePassed)):
        if event.node not in run.nodes:
            raise UnknownNode(event.node)
        node = run.nodes[event.node]
        if not speaks_of_current(node, event):
            return Decision(run=run, outcome=Outcome.LATE)
    if not is_timely(run, node, event):
        return Decision(run=run, outcome=untimely(run, node, event))
    if isinstance(event, AttemptClaimed) and not is_of_its_pool(run, event):
        return Decision(run=run, outcome=Outcome.REFUSED)
    draft = Draft(run, evaluate)
    _apply(draft, event)
    settle(draft)
    return draft.decision()


def is_of_its_pool(run: Run, event: AttemptClaimed) -> bool:
    """Whether the runner that asks may take this node at all."""
    return event.pool is None or event.pool == run.plan.nodes[event.node].definition.pool


def _apply(draft: Draft, event: RunEvent) -> None:
    match event:
        case AttemptSucceeded():
            attempts.succeed(draft, event)
        case AttemptClaimed():
            attempts.claim(draft, event)
        case AttemptFailed():
            attempts.fail(draft, event)
        case AttemptReleased():
            attempts.release(draft, event)
        case LeaseLapsed():
            attempts.lapse(draft, event)
        case RetryCameDue():
            attempts.retry(draft, event)
        case ReadyWentUnclaimed():
            attempts.publish_again(draft, event)
        case CancelRequested():
            control.cancel(draft, event)
        case RetryRequested():
            control.retry(draft, event)
        case DeadlinePassed():
            control.pass_deadline(draft, event)
        case _:
            assert_never(event)
