"""How things end: a node for good, what must not start after it, and at last the run."""

from collections.abc import Mapping

from orchestrator.domain.decision import StopAttempt
from orchestrator.domain.draft import Draft
from orchestrator.domain.node import NODE_ENDED, NodeState
from orchestrator.domain.resolve import Unresolvable, run_output
from orchestrator.domain.run import RunState
from penstock.contracts.failure import Failure
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import Json, OnFailure, RunIf

NOTHING_TOLD: Mapping[str, Json] = {}


def may_start(draft: Draft, name: str) -> bool:
    """Whether the node may begin an attempt: a run that stops lets only its `run_if: all_done` nodes begin."""
    if draft.state is not RunState.RUNNING:
        return False
    if draft.failure is None or draft.plan.on_failure is OnFailure.CONTINUE:
        return True
    return draft.plan.nodes[name].definition.run_if is RunIf.ALL_DONE


def fail_node(draft: Draft, name: str, failure: Failure, *, told: Mapping[str, Json] = NOTHING_TOLD) -> None:
    """Failed for good. The first one gives the run its failure, and stops what its author wants stopped.

    `told` is what its runner measured.
    """
    node = draft.node(name)
    failed = replace(
        node,
        state=NodeState.FAILED,
        token=None,
        unresolved=0,
        failure=failure,
        wake_in=None,
        was_reset=False,
    )
    draft.put(name, failed)
    draft.tell_of(Kind.NODE_FAILED, name, node.attempt, failure=failure, **told)
    if draft.failure is not None:
        return
    draft.failure = replace(failure, message=f"node '{name}' failed: {failure.message}").cut()
    if draft.plan.on_failure is OnFailure.STOP:
        _stop(draft, reason=f"node '{name}' failed")


def cancel_node(draft: Draft, name: str, *, reason: str) -> None:
    node = draft.node(name)
    cancelled = replace(
        node, state=NodeState.CANCELLED, token=None, unresolved=0, wake_in=None, was_reset=False
    )
    draft.put(name, cancelled)
    draft.tell_of(Kind.NODE_CANCELLED, name, node.attempt, reason=reason)


def cancel_all(draft: Draft, *, reason: str) -> None:
    """Cancel whatever does not run, and ask the runners to stop the rest. O(nodes), once in a run."""
    for name in draft.plan.nodes:
        node = draft.node(name)
        if node.state is NodeState.RUNNING:
            assert node.token is not None, "a running node has a holder"
            assert node.runner is not None, "a running node has a runner"
            draft.order(StopAttempt(node=name, attempt=node.attempt, token=node.token, runner=node.runner))
        elif node.state not in NODE_ENDED:
            cancel_node(draft, name, reason=reason)


def end_run(draft: Draft) -> None:
    """Every node has ended: so does the run."""
    assert draft.open_nodes == 0, "a run ends after its last node"
    if draft.state is RunState.CANCELLING and draft.cancel_reason is not None:
        draft.move(RunState.CANCELLED)
        draft.tell(Kind.RUN_CANCELLED, reason=draft.cancel_reason)
        return
    if draft.failure is None:
        _resolve_output(draft)
    if draft.failure is not None:
        draft.move(RunState.FAILED)
        draft.tell(Kind.RUN_FAILED, failure=draft.failure)
        return
    draft.move(RunState.SUCCEEDED)
    draft.tell(Kind.RUN_SUCCEEDED)


def _resolve_output(draft: Draft) -> None:
    try:
        draft.output = run_output(draft)
    except Unresolvable as error:
        draft.failure = error.failure


def _stop(draft: Draft, *, reason: str) -> None:
    """Nothing new starts. O(nodes), but only once in a run: at its first failed node."""
    for name in draft.plan.nodes:
        state = draft.node(name).state
        if state is not NodeState.RUNNING and state not in NODE_ENDED and not may_start(draft, name):
            cancel_node(draft, name, reason=reason)
