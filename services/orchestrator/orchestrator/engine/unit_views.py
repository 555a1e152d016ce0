"""What people read of the parts of runs and nodes: items, undoings, sub-workflows, and what is waited for."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from orchestrator.domain.detail import Child, EventAwaited, Held, Lookup, Moment, Question, Spread
from penstock.contracts.failure import Failure

WaitingFor: TypeAlias = Moment | EventAwaited | Question | Child | Lookup | Held
"""What a node without a runner waits for; `is` tells which."""


class NodeProgress(msgspec.Struct, frozen=True):
    """How far the running attempt says it is, in units of its own; `total` is None when it does not know."""

    done: float
    total: float | None
    message: str
    at: datetime


class ParentView(msgspec.Struct, frozen=True):
    """The node that started a run as its sub-workflow."""

    run: UUID
    node: str


class ChildView(msgspec.Struct, frozen=True):
    """A run that `node` (or an item of it) started as its sub-workflow."""

    node: str
    run: UUID
    workflow: str
    version: int
    state: str


class ItemCounts(msgspec.Struct, frozen=True):
    """How far a `foreach` node is. `waiting` have not begun; `succeeded` leaves out what was undone since."""

    total: int
    waiting: int
    open: int
    succeeded: int
    failed: int
    cancelled: int
    compensated: int

    @classmethod
    def of(cls, spread: Spread, *, compensated: int) -> "ItemCounts":
        return cls(
            total=spread.total,
            waiting=spread.total - spread.next,
            open=spread.open,
            succeeded=spread.succeeded - compensated,
            failed=spread.failed,
            cancelled=spread.cancelled,
            compensated=compensated,
        )

    @property
    def ended_share(self) -> float:
        return 1.0 if self.total == 0 else (self.total - self.waiting - self.open) / self.total


class ItemView(msgspec.Struct, frozen=True):
    """One item that has begun; its page is that of node `<node>[<index>]`."""

    index: int
    state: str
    attempt: int
    runner: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    output_bytes: int | None = None
    failure: Failure | None = None


class CompensationView(msgspec.Struct, frozen=True):
    """How far the undoing of a node is. `skipped_by`: a person decided that it need not be undone."""

    state: str
    attempt: int
    failure: Failure | None = None
    skipped_by: str | None = None


class CachedView(msgspec.Struct, frozen=True):
    """The output came from the cache, where `run` had put it."""

    run: UUID
