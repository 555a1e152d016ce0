"""Why a run as a whole is where it is, and what a person can do about it."""

from collections import Counter
from collections.abc import Mapping
from typing import assert_never

from orchestrator.domain.explanation.facts import QueueFacts, Reason, RunFacts, WorkflowPause
from orchestrator.domain.node import NODE_ENDED, NodeState
from orchestrator.domain.run import Pause, PauseCause, RunState


def why_run(run: RunFacts, states: Mapping[str, NodeState]) -> Reason:
    """`states` are those of the plan's nodes."""
    progress = _progress(states)
    match run.state:
        case RunState.SUCCEEDED | RunState.FAILED | RunState.CANCELLED | RunState.COMPENSATED:
            return _ended(run), {"code": run.state.value}
        case RunState.QUEUED:
            sentence, reason = _queued(run.queue)
            return _also_paused(sentence, run.workflow_pause), reason
        case RunState.PAUSED if run.pause is not None and run.pause.cause is PauseCause.WORKFLOW:
            sentence, reason = _paused_with_workflow(run.workflow_pause)
            return f"{sentence}: {progress}", reason
        case RunState.PAUSED:
            sentence, reason = _paused(run.pause)
            return f"{_also_paused(sentence, run.workflow_pause)}: {progress}", reason
        case RunState.CANCELLING:
            why = run.cancel_reason or (run.failure.message if run.failure else "its deadline passed")
            sentence = f"cancelling ({why}), waits for what still runs: {progress}"
            return sentence, {"code": "cancelling", "reason": why}
        case RunState.COMPENSATING:
            return _compensating(run, states)
        case RunState.RUNNING if run.failure is not None:
            return f"will fail, {run.failure.message}: {progress}", {"code": "failing"}
        case RunState.RUNNING:
            return f"running: {progress}", {"code": "running"}
        case _:
            assert_never(run.state)


def _ended(run: RunFacts) -> str:
    if run.state is RunState.CANCELLED:
        return f"cancelled: {run.cancel_reason}" if run.cancel_reason else "cancelled"
    if run.state is RunState.COMPENSATED and run.undo is not None:
        return f"compensated, asked for by {run.undo.by}: {run.undo.reason}"
    return f"{run.state.value}: {run.failure.message}" if run.failure else run.state.value


def _progress(states: Mapping[str, NodeState]) -> str:
    counts = Counter(states.values())
    ended = sum(count for state, count in counts.items() if state in NODE_ENDED)
    still = [f"{count} {state.value}" for state, count in counts.items() if state not in NODE_ENDED]
    return ", ".join([f"{ended} of {len(states)} nodes have ended", *still])


def _queued(queue: QueueFacts | None) -> Reason:
    if queue is None:
        return "queued: waits for its turn", {"code": "queued"}
    held = f", held by {', '.join(str(run) for run in queue.holders)}" if queue.holders else ""
    slots = "the slot" if queue.limit == 1 else f"one of the {queue.limit} slots"
    sentence = f"queued: waits for {slots} of concurrency key '{queue.key}'{held}"
    data = {"key": queue.key, "limit": queue.limit, "holders": [str(run) for run in queue.holders]}
    return sentence, {"code": "queued", **data}


def _paused(pause: Pause | None) -> Reason:
    assert pause is not None, "a paused run knows why"
    why = f" ({pause.reason})" if pause.reason else ""
    data = {"by": pause.by, "reason": pause.reason}
    match pause.cause:
        case PauseCause.PERSON:
            sentence = f"paused by {pause.by}{why}, until a person resumes or cancels it"
            return sentence, {"code": "paused_by_person", **data, "choices": ["resume", "cancel"]}
        case PauseCause.FAILURE:
            sentence = (
                f"paused{why}, until a person retries it, resumes it without what failed, or cancels it"
            )
            choices = ["retry", "resume", "cancel"]
            return sentence, {"code": "paused_after_failure", **data, "choices": choices}
        case PauseCause.COMPENSATION:
            sentence = f"paused in its undoing ({pause.reason})"
            return sentence, {"code": "parked", **data, "choices": ["retry", "skip"]}
        case PauseCause.WORKFLOW:
            raise AssertionError(
                "a run that is paused with its workflow is explained by the workflow's pause"
            )
        case _:
            assert_never(pause.cause)


def _paused_with_workflow(pause: WorkflowPause | None) -> Reason:
    if pause is None:
        return "goes on in a moment: its workflow was resumed", {"code": "workflow_resumed"}
    data = {"workflow": pause.workflow, "by": pause.by, "reason": pause.reason, "since": pause.since}
    sentence = f"{_told(pause)}; the run goes on when the workflow is resumed"
    return sentence, {"code": "workflow_paused", **data, "choices": ["resume the workflow", "cancel"]}


def _also_paused(sentence: str, pause: WorkflowPause | None) -> str:
    return sentence if pause is None else f"{sentence}; besides, {_told(pause)}"


def _told(pause: WorkflowPause) -> str:
    why = f": {pause.reason}" if pause.reason else ""
    moment = pause.since.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"workflow '{pause.workflow}' is paused by {pause.by} since {moment}{why}"


def _compensating(run: RunFacts, states: Mapping[str, NodeState]) -> Reason:
    undone = sum(state is NodeState.COMPENSATED for state in states.values())
    now = [name for name, state in states.items() if state is NodeState.COMPENSATING]
    by, why = (run.undo.by, run.undo.reason) if run.undo else ("", "")
    sentence = f"compensating ({why or 'asked for by ' + by}): {undone} nodes are undone"
    if now:
        sentence += f", now '{now[0]}'"
    return sentence, {"code": "compensating", "by": by, "reason": why, "undone": undone, "nodes": now}
