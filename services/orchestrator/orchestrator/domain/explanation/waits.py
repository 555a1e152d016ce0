"""What a unit without a runner waits for, and until when."""

from datetime import UTC, datetime
from typing import assert_never

from orchestrator.domain.detail import (
    Cached,
    Child,
    EventAwaited,
    Held,
    Lookup,
    Moment,
    Question,
    Spread,
    UndoSkipped,
)
from orchestrator.domain.explanation.facts import NodeFacts, Reason, when


def why_suspended(node: NodeFacts, *, started_by: str | None, now: datetime) -> Reason:
    match node.detail:
        case Moment():
            until = node.detail.until or node.due_at
            utc = until.astimezone(UTC) if until else None
            moment = f"{utc:%Y-%m-%d %H:%M:%S} UTC, {when(utc, now)}" if utc else "its timer goes off"
            return f"waits until {moment}", {"code": "moment", "until": until}
        case EventAwaited(type=type, if_=if_):
            which = f" for which {if_} is true" if if_ else ""
            sentence = f"waits for an event of type '{type}'{which}{_at_most(node.due_at, now)}"
            return sentence, {"code": "event", "type": type, "if": if_, "until": node.due_at}
        case Question():
            return _asks(node, node.detail, started_by, now)
        case Lookup(key=key):
            return "asks the cache whether its output is known", {"code": "cache", "key": key}
        case Held(code=code, key=key, sentence=sentence):
            again = f"; it is offered again {when(node.due_at, now)}"
            return f"{sentence}{again}", {"code": code, "key": key, "until": node.due_at}
        case Child() | Cached() | Spread() | UndoSkipped() | None:
            return "waits without a runner", {"code": "suspended"}
        case _:
            assert_never(node.detail)


def why_child(node: NodeFacts) -> Reason:
    """A sub-workflow: its run has an explanation of its own."""
    child = node.detail
    assert isinstance(child, Child), "asked of a unit that waits for a run"
    data = {"workflow": child.workflow, "version": child.version}
    if child.run is None:
        return f"workflow '{child.workflow}' is being started", {"code": "child_starting", **data}
    state = f", which is {node.child_state}" if node.child_state else ""
    sentence = f"waits for run {child.run} of workflow '{child.workflow}'{state}"
    return sentence, {"code": "child", "run": child.run, "state": node.child_state, **data}


def _asks(node: NodeFacts, question: Question, started_by: str | None, now: datetime) -> Reason:
    sentence = f"asks {_who_may(question, started_by)}: {question.message}{_at_most(node.due_at, now)}"
    data = {
        "message": question.message,
        "assignees": list(question.assignees),
        "no_self_approval": question.no_self_approval,
        "until": node.due_at,
        "choices": ["approve", "reject"],
    }
    if question.key is None:
        return sentence, {"code": "approval", **data}
    return f"its agent {sentence}", {"code": "question", "key": question.key, **data}


def _who_may(question: Question, started_by: str | None) -> str:
    barred = started_by if question.no_self_approval else None
    if not question.assignees:
        return "anybody" + (f" but {barred}, who started the run" if barred else "")
    may = [name for name in question.assignees if name != barred]
    if len(may) == len(question.assignees):
        return " or ".join(may)
    return (" or ".join(may) or "nobody") + f" ({barred} started the run and may not answer)"


def _at_most(until: datetime | None, now: datetime) -> str:
    return "" if until is None else f" (its time is over {when(until, now)})"
