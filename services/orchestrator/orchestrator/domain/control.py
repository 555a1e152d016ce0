"""What a person or a deadline asks of a whole run: begin, pause, resume, cancel, retry, undo."""

from collections import deque

from orchestrator.domain import undo
from orchestrator.domain.beginning import begin_again
from orchestrator.domain.decision import GrantSlots
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import cancel_all, hold_offers
from orchestrator.domain.events import (
    BudgetExceeded,
    BudgetRaised,
    CancelRequested,
    CompensateRequested,
    DeadlinePassed,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
)
from orchestrator.domain.foreach import carry_on
from orchestrator.domain.fork import ForkPlan, taken_over
from orchestrator.domain.node import NODE_ENDED, NodeState, reset
from orchestrator.domain.offering import publish
from orchestrator.domain.readiness import start_or_skip
from orchestrator.domain.run import RUN_ENDED, Pause, PauseCause, Run, RunState
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import Json

RETRIED_NAMES_MAX = 100  # how many names the event lists; 5,000 would not fit into a message


def begin_nodes(draft: Draft) -> None:
    """Start what needs nothing. A root that cannot begin fails, and may cancel those after it."""
    if draft.run.source is not None:
        _go_on(draft)
        return
    for name in draft.plan.roots:
        if draft.node(name).state is NodeState.WAITING and draft.state is RunState.RUNNING:
            start_or_skip(draft, name)


def take_over(draft: Draft, source: Run, plan: ForkPlan) -> None:
    """Begin with what the source has done; the rest begins as if it had just been done here."""
    for name in plan.reused:
        node = taken_over(source, name, completed=draft.next_version)
        draft.take(name, node)
        draft.tell_of(Kind.NODE_REUSED, name, node.attempt, run=str(node.output_run))


def grant_slot(draft: Draft) -> None:
    """The run leaves the queue of its concurrency key, as a new one or to be retried."""
    draft.move(RunState.RUNNING)
    draft.tell(Kind.RUN_DEQUEUED)
    _go_on(draft)


def pause(draft: Draft, event: PauseRequested) -> None:
    """What runs goes on to its end, nothing new starts, no runner is held."""
    if draft.state is not RunState.PAUSED:
        draft.move(RunState.PAUSED)
    cause = PauseCause.WORKFLOW if event.of_workflow else PauseCause.PERSON
    draft.pause = Pause(cause, by=event.by, reason=event.reason)
    draft.tell(Kind.RUN_PAUSED, cause=cause, by=event.by, reason=event.reason)
    hold_offers(draft)


def resume(draft: Draft, event: ResumeRequested) -> None:
    draft.move(RunState.RUNNING)
    draft.pause = None
    draft.tell(Kind.RUN_RESUMED, by=event.by)
    _go_on(draft)


def cancel(draft: Draft, event: CancelRequested) -> None:
    """Nothing new starts, what runs is asked to stop; the run has ended when the last of them has."""
    draft.move(RunState.CANCELLING)
    draft.pause = None
    draft.cancel_reason = event.reason
    draft.failure = draft.failure or event.failure
    draft.tell(Kind.RUN_CANCELLING, by=event.by, reason=event.reason)
    cancel_all(draft, reason=event.reason)


def pass_deadline(draft: Draft, _event: DeadlinePassed) -> None:
    """Like a cancel, but the run ends as failed, with the deadline as its reason (requirement M4)."""
    message = f"the run took longer than its timeout of {draft.plan.definition.timeout.total_seconds():g} s"
    if draft.failure is not None:
        message = f"{message}; before that, {draft.failure.message}"
    draft.failure = Failure(type="RunTimeout", message=message, error_class=ErrorClass.TIMEOUT).cut()
    draft.move(RunState.CANCELLING)
    draft.tell(Kind.RUN_CANCELLING, by="deadline", reason=message)
    cancel_all(draft, reason="the run took too long")


def compensate(draft: Draft, event: CompensateRequested) -> None:
    undo.begin_undo(draft, by=event.by, reason=event.reason)


def retry(draft: Draft, event: RetryRequested) -> None:
    """Everything that did not succeed begins afresh; what succeeded keeps its result (requirement V11).

    A run that had ended has left its slot to others, and queues for one again.
    """
    if draft.pause is not None and draft.pause.cause is PauseCause.COMPENSATION:
        undo.retry_steps(draft, event)
        return
    names, key = nodes_to_reset(draft), draft.run.concurrency_key
    queues = key is not None and draft.state in RUN_ENDED and len(names) > 0
    draft.move(RunState.QUEUED if queues else RunState.RUNNING)
    draft.pause = None
    draft.failure = None
    draft.cancel_reason = None
    draft.tell(Kind.RUN_RETRIED, by=event.by, nodes=list(names)[:RETRIED_NAMES_MAX], nodes_total=len(names))
    for name in names:
        draft.put(name, reset(draft.node(name)))
    if key is not None and queues:
        draft.tell(Kind.RUN_QUEUED, key=key)
        draft.order(GrantSlots(key))
        return
    _go_on(draft)


def tell_exceeded(draft: Draft, event: BudgetExceeded) -> None:
    draft.tell(
        Kind.RUN_BUDGET_EXCEEDED,
        budget=event.account,
        node=event.node,
        attempt=event.attempt,
        on_limit=event.on_limit,
        reason=event.sentence,
    )


def tell_raised(draft: Draft, event: BudgetRaised) -> None:
    """The account itself changes in the same transaction (engine/budget_questions.py)."""
    amounts: dict[str, Json] = {"dollars": event.dollars} if event.dollars else {}
    amounts |= {"tokens": event.tokens} if event.tokens else {}
    draft.tell(Kind.RUN_BUDGET_RAISED, budget=event.account, by=event.by, reason=event.reason, **amounts)


def nodes_to_reset(draft: Draft) -> dict[str, None]:
    """Failed and cancelled nodes, and the skipped ones downstream of them, in the order of the search.

    A skipped node whose needs all keep their results would only be skipped again: it stays.
    """
    queue = deque(
        name for name in draft.plan.nodes if draft.node(name).state in (NodeState.FAILED, NodeState.CANCELLED)
    )
    names = dict.fromkeys(queue)
    while queue:
        for name in draft.plan.nodes[queue.popleft()].downstream:
            if name not in names and draft.node(name).state is NodeState.SKIPPED:
                names[name] = None
                queue.append(name)
    return names


def _go_on(draft: Draft) -> None:
    """Count anew what each node waits for, begin those that wait for nothing, and offer again what is ready.

    O(nodes + edges): while the run was paused, ends were not passed on.
    """
    waiting = [name for name in draft.plan.nodes if draft.node(name).state is NodeState.WAITING]
    beginners = []
    for name in waiting:
        needs = draft.plan.nodes[name].upstream
        unresolved = sum(draft.node(need).state not in NODE_ENDED for need in needs)
        if unresolved != draft.node(name).unresolved:
            draft.put(name, replace(draft.node(name), unresolved=unresolved))
        if unresolved == 0:
            beginners.append(name)
    for name, node in draft.units():
        if node.state is NodeState.READY and draft.plan.work(name).agent is None:
            begin_again(draft, name)
        elif node.state is NodeState.READY:
            publish(draft, name, replace(node, publication=node.publication + 1))
        elif draft.plan.planned(name).definition.foreach is not None and name in draft.plan.nodes:
            carry_on(draft, name)
    for name in beginners:
        if draft.node(name).state is NodeState.WAITING and draft.state is RunState.RUNNING:
            start_or_skip(draft, name)
