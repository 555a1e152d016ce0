"""What to do about an action, decided from how the thing is now: a person's change is never fought."""

from enum import StrEnum

from notifier.alerts.source import Verb
from penstock.contracts.value import Value

ITSELF = "penstock"  # who changed a breaker when no person did


class Outcome(StrEnum):
    DONE = "done"
    LEFT = "left"  # a person had changed it, or it was so already
    REFUSED = "refused"  # the orchestrator does not know it
    UNDONE = "undone"
    DROPPED = "dropped"  # over before it was tried


class Action(Value, frozen=True, kw_only=True):
    """One row of work. `undo`: it is to be undone. `tries` counts this one too."""

    id: int
    project: str
    verb: Verb
    target: str
    source: str
    alert: str
    undo: bool
    tries: int

    @property
    def by(self) -> str:
        """How the engine's audit names us."""
        return f"alertmanager {self.source}"


class Seen(Value, frozen=True):
    """How the thing is: whether it is as the verb makes it, or as undoing makes it, and who changed it last."""

    as_done: bool
    as_undone: bool
    by: str


class Ruling(Value, frozen=True):
    """`outcome` and `detail` are told if nothing is to be changed; `changed`: a former try of ours did it."""

    change: bool
    outcome: Outcome = Outcome.DONE
    detail: str = ""
    changed: bool = False


def rule_on(action: Action, seen: Seen) -> Ruling:
    return _rule_on_undoing(action, seen) if action.undo else _rule_on_doing(action, seen)


def _rule_on_doing(action: Action, seen: Seen) -> Ruling:
    """A breaker that opened by itself would close by itself: the alert's opening holds it."""
    if not seen.as_done or (seen.by == ITSELF and action.verb is Verb.OPEN_BREAKER):
        return Ruling(change=True)
    if seen.by == action.by and action.tries > 1:
        return Ruling(change=False, outcome=Outcome.DONE, changed=True)
    return Ruling(change=False, outcome=Outcome.LEFT, detail=f"it was so already, by {seen.by or 'nobody'}")


def _rule_on_undoing(action: Action, seen: Seen) -> Ruling:
    """Only what is as we made it, and nobody touched since, is turned back."""
    if seen.as_done and seen.by == action.by:
        return Ruling(change=True)
    if seen.as_undone and seen.by == action.by and action.tries > 1:
        return Ruling(change=False, outcome=Outcome.UNDONE)
    return Ruling(change=False, outcome=Outcome.LEFT, detail=f"it was changed by {seen.by or 'nobody'} since")
