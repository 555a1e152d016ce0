"""How a run ends, once every node has: succeeded, failed, cancelled, or undone first."""

from orchestrator.domain.decision import GrantSlots, TellParent
from orchestrator.domain.draft import Draft
from orchestrator.domain.resolve import Unresolvable, run_output
from orchestrator.domain.run import RunState
from orchestrator.domain.undo import begin_undo, has_steps
from penstock.contracts.limits import EVENT_OUTPUT_BYTES_MAX
from penstock.contracts.timeline import Kind
from penstock.contracts.wire import raw
from penstock.contracts.workflow import Json, OnFailure


def end_run(draft: Draft) -> None:
    """Every node has ended: so does the run, unless it is to be undone."""
    assert draft.open_nodes == 0, "a run ends after its last node"
    if draft.state is RunState.RUNNING and draft.failure is None:
        _resolve_output(draft)
    gone_wrong = draft.failure is not None or draft.state is RunState.CANCELLING
    if gone_wrong and draft.plan.on_failure is OnFailure.COMPENSATE and has_steps(draft):
        begin_undo(draft, by="on_failure", reason=_reason(draft))
    elif draft.state is RunState.CANCELLING and draft.cancel_reason is not None:
        draft.move(RunState.CANCELLED)
        draft.tell(Kind.RUN_CANCELLED, reason=draft.cancel_reason)
    elif draft.failure is not None:
        draft.move(RunState.FAILED)
        draft.tell(Kind.RUN_FAILED, failure=draft.failure)
    else:
        draft.move(RunState.SUCCEEDED)
        draft.tell(Kind.RUN_SUCCEEDED, **_told_output(draft))


def tell_others(draft: Draft) -> None:
    """A run that has ended tells the node that started it, and leaves its slot to the next run."""
    parent, key = draft.run.parent, draft.run.concurrency_key
    if parent is not None:
        draft.order(TellParent(parent, draft.state, draft.output, draft.failure))
    if key is not None:
        draft.order(GrantSlots(key))


def _told_output(draft: Draft) -> dict[str, Json]:
    """A short output goes along, so that a subscription can look at a verdict; a long one is asked for by the run."""
    if draft.output is None or len(draft.output) > EVENT_OUTPUT_BYTES_MAX:
        return {}
    return {"output": raw(draft.output)}


def _reason(draft: Draft) -> str:
    if draft.state is RunState.CANCELLING and draft.cancel_reason is not None:
        return draft.cancel_reason
    assert draft.failure is not None, "a run that went wrong knows of what"
    return draft.failure.message


def _resolve_output(draft: Draft) -> None:
    try:
        draft.output = run_output(draft)
    except Unresolvable as error:
        draft.failure = error.failure
