"""What a person or a deadline asks of a whole run: cancel, retry."""

from collections import deque

from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import cancel_all
from orchestrator.domain.events import CancelRequested, DeadlinePassed, RetryRequested
from orchestrator.domain.node import NODE_ENDED, Node, NodeState
from orchestrator.domain.readiness import start_or_skip
from orchestrator.domain.run import RunState
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace

RETRIED_NAMES_MAX = 100  # how many names the event lists; 5,000 would not fit into a message


def cancel(draft: Draft, event: CancelRequested) -> None:
    """Nothing new starts, what runs is asked to stop; the run has ended when the last of them has."""
    draft.move(RunState.CANCELLING)
    draft.cancel_reason = event.reason
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


def retry(draft: Draft, event: RetryRequested) -> None:
    """Everything that did not succeed begins afresh; what succeeded keeps its result (requirement V11)."""
    names = _nodes_to_reset(draft)
    draft.move(RunState.RUNNING)
    draft.failure = None
    draft.cancel_reason = None
    draft.tell(Kind.RUN_RETRIED, by=event.by, nodes=list(names)[:RETRIED_NAMES_MAX], nodes_total=len(names))
    for name in names:
        draft.put(name, _reset(draft.node(name)))
    _begin_again(draft, names)


def _nodes_to_reset(draft: Draft) -> dict[str, None]:
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


def _reset(node: Node) -> Node:
    return replace(
        node,
        state=NodeState.WAITING,
        publication=0,
        first_attempt=node.attempt + 1,
        failure=None,
        was_reset=True,
    )


def _begin_again(draft: Draft, names: dict[str, None]) -> None:
    """Count anew what each node waits for, then begin those that wait for nothing."""
    for name in names:
        needs = draft.plan.nodes[name].upstream
        unresolved = sum(draft.node(need).state not in NODE_ENDED for need in needs)
        draft.put(name, replace(draft.node(name), unresolved=unresolved))
    beginners = [name for name in names if draft.node(name).unresolved == 0]
    for name in beginners:
        if draft.node(name).state is NodeState.WAITING:
            start_or_skip(draft, name)
