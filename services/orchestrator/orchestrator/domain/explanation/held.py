"""Why a breaker holds a node back: what the breaker is now, and when the node asks again."""

from datetime import datetime

from orchestrator.domain.breaker import Breaker, Refused, ask
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class HeldFacts(Value, frozen=True):
    """A node whose claim was refused. `breaker` is what it waits for as it is now, `waiting` how many do."""

    key: str
    due_at: datetime | None
    breaker: Breaker | None
    waiting: int = 1


def why_held(held: HeldFacts, *, now: datetime) -> tuple[str, dict[str, Json]]:
    """A sentence and a reason."""
    key, breaker, again = held.key, held.breaker, _again(held.due_at, now)
    if breaker is None:
        return f"waited for breaker '{key}', which is gone; {again}", {"code": "breaker_open", "key": key}
    verdict = ask(breaker, now=now)
    others = {0: "", 1: "; 1 other waits"}.get(held.waiting - 1, f"; {held.waiting - 1} others wait")
    if isinstance(verdict, Refused):
        known = "" if verdict.until else f"; {again}"
        sentence = f"breaker '{key}' {verdict.reason}{others}{known}"
    else:
        sentence = f"breaker '{key}' lets calls through again{others}; {again}"
    reason = {
        "code": "breaker_open",
        "key": key,
        "state": breaker.state.value,
        "until": breaker.open_until,
        "failures": breaker.failed,
        "calls": breaker.failed + breaker.succeeded,
        "last_failure": breaker.last_failure,
        "waiting": held.waiting,
        "due_at": held.due_at,
    }
    return sentence, reason


def _again(due_at: datetime | None, now: datetime) -> str:
    if due_at is None or due_at <= now:
        return "it is offered again now"
    return f"it is offered again in {(due_at - now).total_seconds():.1f} s"
