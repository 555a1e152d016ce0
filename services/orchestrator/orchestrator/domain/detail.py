"""What a unit keeps beyond its attempts: what it waits for, or how far its parts are. Stored as JSON with a tag."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class Moment(Value, frozen=True, tag_field="is", tag="moment"):
    """Waits for a moment; None: for as long as its timer says."""

    until: datetime | None = None


class EventAwaited(Value, frozen=True, tag_field="is", tag="event"):
    """Waits for an event of this type; one that came at most `look_back_s` before counts too."""

    type: str
    look_back_s: float
    if_: str | None = None  # as its author wrote it, for people


class Question(Value, frozen=True, tag_field="is", tag="question"):
    """Waits for a person's answer. Without `assignees` anybody may give it. `key`: the node's agent asks it, and
    shows `details`; None: the node itself does."""

    message: str
    assignees: tuple[str, ...] = ()
    no_self_approval: bool = False
    form: Json = None
    key: str | None = None
    details: Json = None


class Child(Value, frozen=True, tag_field="is", tag="child"):
    """Waits for a run of another workflow; `run` is None until it was started."""

    workflow: str
    version: int
    run: UUID | None = None


class Lookup(Value, frozen=True, tag_field="is", tag="lookup"):
    """Has a key of the cache: while suspended it is asked for, later the output is kept under it."""

    key: str


class Cached(Value, frozen=True, tag_field="is", tag="cached"):
    """Took its output from the cache, where `run` had put it."""

    key: str
    run: UUID


class Held(Value, frozen=True, tag_field="is", tag="held"):
    """A claim was refused, and the node waits before it is offered again; `code` tells programs why."""

    code: str
    key: str
    sentence: str


class Spread(Value, frozen=True, tag_field="is", tag="foreach"):
    """How far a `foreach` node is. Items from `next` on have not begun yet."""

    total: int
    next: int = 0
    open: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0


class UndoSkipped(Value, frozen=True, tag_field="is", tag="undo_skipped"):
    """A person decided that this need not be undone."""

    by: str


Detail: TypeAlias = Moment | EventAwaited | Question | Child | Lookup | Cached | Held | Spread | UndoSkipped
