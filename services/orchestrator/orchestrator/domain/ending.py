"""How a unit ends otherwise than by success, and what must not start after it."""

from collections.abc import Mapping

from orchestrator.domain.decision import CancelChild, StopAttempt
from orchestrator.domain.detail import Child, Spread
from orchestrator.domain.draft import Draft
from orchestrator.domain.node import NODE_ENDED, Node, NodeState
from orchestrator.domain.run import Pause, PauseCause, RunState
from orchestrator.domain.unit import node_of
from penstock.contracts.failure import Failure
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import Json, OnFailure, RunIf

NOTHING_TOLD: Mapping[str, Json] = {}
_GOES_ON = (OnFailure.CONTINUE, OnFailure.PAUSE)


def may_start(draft: Draft, name: str) -> bool:
    """Whether the unit may begin an attempt: a run that stops lets only its `run_if: all_done` nodes begin.

    In a paused run it may, but is not offered before the run goes on.
    """
    if draft.state is RunState.COMPENSATING:
        return True
    if draft.state not in (RunState.RUNNING, RunState.PAUSED):
        return False
    if draft.failure is None or draft.plan.on_failure in _GOES_ON:
        return True
    return draft.plan.planned(name).definition.run_if is RunIf.ALL_DONE


def fail_node(draft: Draft, name: str, failure: Failure, *, told: Mapping[str, Json] = NOTHING_TOLD) -> None:
    """Failed for good. The first node that does gives the run its failure, and stops what is to be stopped.

    `told` is what its runner measured. An item or an undoing fails alone: who it is a part of decides.
    """
    node = draft.unit(name) or Node()
    draft.put(name, replace(_ended(node, NodeState.FAILED), failure=failure))
    draft.tell_of(Kind.NODE_FAILED, name, node.attempt, failure=failure, **told)
    if name not in draft.plan.nodes:
        return
    first = draft.failure is None
    if first:
        draft.failure = replace(failure, message=f"node '{name}' failed: {failure.message}").cut()
    if draft.plan.on_failure is OnFailure.PAUSE:
        _pause(draft, reason=f"node '{name}' failed: {failure.message}")
    elif first and draft.plan.on_failure is not OnFailure.CONTINUE:
        _stop(draft, reason=f"node '{name}' failed")


def skip_node(draft: Draft, name: str, *, reason: str) -> None:
    node = draft.unit(name) or Node()
    draft.put(name, _ended(node, NodeState.SKIPPED))
    draft.tell_of(Kind.NODE_SKIPPED, name, node.attempt, reason=reason)


def cancel_node(draft: Draft, name: str, *, reason: str) -> None:
    node = draft.node(name)
    draft.put(name, _ended(node, NodeState.CANCELLED))
    draft.tell_of(Kind.NODE_CANCELLED, name, node.attempt, reason=reason)


def cancel_all(draft: Draft, *, reason: str) -> None:
    """Cancel whatever does not run, and ask what runs to stop. O(units), once in a run."""
    for name, node in draft.units():
        if node.state is NodeState.RUNNING:
            _ask_to_stop(draft, name, node, reason)
        elif node.state not in NODE_ENDED:
            cancel_node(draft, name, reason=reason)


def _ask_to_stop(draft: Draft, name: str, node: Node, reason: str) -> None:
    if node.token is not None:
        assert node.runner is not None, "a held node has a runner"
        draft.order(StopAttempt(node=name, attempt=node.attempt, token=node.token, runner=node.runner))
    elif isinstance(node.detail, Child) and node.detail.run is not None:
        draft.order(CancelChild(node=name, run=node.detail.run, reason=reason))
    elif isinstance(node.detail, Spread) and node.detail.open == 0:
        cancel_node(
            draft, name, reason=reason
        )  # its run was paused between two items: none will end any more


def _ended(node: Node, state: NodeState) -> Node:
    return replace(
        node,
        state=state,
        token=None,
        unresolved=0,
        wake_in=None,
        wake_until=None,
        deadline_in=None,
        was_reset=False,
    )


def _pause(draft: Draft, *, reason: str) -> None:
    """`on_failure: pause`: nothing new starts until a person has looked at it, also when its workflow goes on."""
    with_workflow = draft.pause is not None and draft.pause.cause is PauseCause.WORKFLOW
    if draft.state is RunState.RUNNING:
        draft.move(RunState.PAUSED)
    elif not with_workflow:
        return
    draft.pause = Pause(cause=PauseCause.FAILURE, by="on_failure", reason=reason[:500])
    draft.tell(Kind.RUN_PAUSED, cause=PauseCause.FAILURE, by="on_failure", reason=reason)
    hold_offers(draft)


def hold_offers(draft: Draft) -> None:
    """What is ready stays so, but nobody gets it and no timer offers it again. O(units)."""
    for name, node in draft.units():
        if node.state is NodeState.READY:
            draft.put(name, replace(node, wake_in=None))


def _stop(draft: Draft, *, reason: str) -> None:
    """Nothing new starts. O(units), but only once in a run: at its first failed node."""
    for name, node in draft.units():
        idle = node.state is not NodeState.RUNNING and node.state not in NODE_ENDED
        if idle and not may_start(draft, node_of(name)):
            cancel_node(draft, name, reason=reason)
