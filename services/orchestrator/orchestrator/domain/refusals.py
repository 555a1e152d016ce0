"""Why a timely wish is refused all the same: who asks may not, or there is nothing to do. For people to read."""

from orchestrator.domain.detail import Question, UndoSkipped
from orchestrator.domain.events import (
    Answered,
    AttemptClaimed,
    AttemptFailed,
    AttemptSucceeded,
    CancelRequested,
    CompensateRequested,
    ResumeRequested,
    RetryRequested,
    RunEvent,
    SkipRequested,
)
from orchestrator.domain.node import NodeState
from orchestrator.domain.run import Run, RunState
from orchestrator.domain.timely import is_parked, is_paused_with_workflow
from orchestrator.domain.undo import can_be_undone
from orchestrator.domain.unit import is_undo
from penstock.contracts.names import did_you_mean

_NEVER_REFUSED = (AttemptSucceeded, AttemptFailed)  # most events are: they need not be looked at


def why_refused(run: Run, event: RunEvent) -> str | None:
    """A sentence, or None when nothing is against it."""
    if type(event) in _NEVER_REFUSED:
        return None
    match event:
        case AttemptClaimed():
            allowed = event.pool is None or event.pool == run.plan.work(event.node).pool
            return None if allowed else "it is for runners of another pool"
        case Answered():
            return _why_no_answer(run, event)
        case CancelRequested():
            return "it is being undone: retry or skip the steps that failed" if is_parked(run) else None
        case ResumeRequested():
            return _why_no_resume(run, event)
        case RetryRequested():
            return _why_no_retry(run)
        case SkipRequested():
            return _why_no_skip(run, event.node)
        case CompensateRequested():
            return None if _can_be_undone(run) else "nothing that succeeded in it can be undone"
        case _:
            return None


def _why_no_answer(run: Run, event: Answered) -> str | None:
    question = run.nodes[event.node].detail
    if not isinstance(question, Question):
        return f"node '{event.node}' does not wait for an answer"
    if event.question not in (None, question.key):
        asked = "something else" if question.key is None else f"'{question.key}'"
        return f"node '{event.node}' does not ask '{event.question}' now: it asks {asked}"
    if question.assignees and event.by not in question.assignees:
        hint = did_you_mean(event.by, question.assignees)
        return f"'{event.by}' may not answer: it was asked of {', '.join(question.assignees)}{hint}"
    if question.no_self_approval and event.by == run.started_by:
        return f"'{event.by}' started the run and may not answer: somebody else has to (no_self_approval)"
    return None


def _why_no_resume(run: Run, event: ResumeRequested) -> str | None:
    if run.pause is not None and is_parked(run):
        return run.pause.reason
    if event.of_workflow:
        return None if is_paused_with_workflow(run) else "it is not paused with its workflow"
    return _with_workflow(run)


def _with_workflow(run: Run) -> str | None:
    """What is asked of one run when all of its workflow is paused."""
    if run.pause is None or not is_paused_with_workflow(run):
        return None
    name = run.plan.definition.name
    return f"workflow '{name}' is paused by {run.pause.by}: resume the workflow, and the run goes on with it"


def _why_no_retry(run: Run) -> str | None:
    if is_paused_with_workflow(run):
        return _with_workflow(run)
    if run.state is not RunState.PAUSED or is_parked(run) or run.failed_nodes > 0:
        return None
    return "none of its nodes has failed: resume it instead"


def _why_no_skip(run: Run, node: str | None) -> str | None:
    if not is_parked(run):
        return "nothing that was to be undone has failed"
    if node is None:
        return None
    unit = run.nodes.get(node)
    failed = unit is not None and unit.state is NodeState.COMPENSATION_FAILED
    if failed and unit is not None and not isinstance(unit.detail, UndoSkipped):
        return None
    names = [name for name, unit in run.nodes.items() if unit.state is NodeState.COMPENSATION_FAILED]
    return f"node '{node}' is not one whose undoing failed: those are {', '.join(names)}"


def _can_be_undone(run: Run) -> bool:
    return any(
        unit.completed is not None and not is_undo(name) and can_be_undone(run.plan, name, unit)
        for name, unit in run.nodes.items()
    )
