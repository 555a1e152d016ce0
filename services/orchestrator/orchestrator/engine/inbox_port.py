"""What the doors may ask about events from other systems: protocols and their messages."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from orchestrator.engine.views import Page
from penstock.contracts.inbound import InboundEvent


class Receipt(StrEnum):
    """What became of an event that was sent."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # its source has sent this id before: it changes nothing


class Inbox(Protocol):
    """Takes events."""

    async def take(self, events: Sequence[InboundEvent]) -> list[Receipt | Exception]:
        """Answers each event, in order, once it is committed; an event that cannot be kept with its InvalidInput.

        Raises Unavailable: none or all may have been kept, and sending them again is harmless.
        """
        ...


class ReactionView(msgspec.Struct, frozen=True):
    """What an event did to a workflow whose trigger means it.

    `due`: its run waits, until `due_at` at least; `started`; `repeated`: the alert had started this run before;
    `refused`: no run can be started, and `reason` says why; `failed`: an expression of the trigger did.
    """

    workflow: str
    trigger: str
    outcome: str
    run: UUID | None
    reason: str | None
    at: datetime
    due_at: datetime | None


class TakenByView(msgspec.Struct, frozen=True):
    """A node that waited for the event, and went on with it."""

    run: UUID
    node: str
    at: datetime


class InboundEventView(msgspec.Struct, frozen=True):
    """An event as it was received. `data` is None, with its size in `data_bytes`, when it is too large for a list.

    `attributes` are all others: datacontenttype, dataschema, data_base64 and extensions.
    """

    id: str
    source: str
    type: str
    subject: str | None
    time: datetime | None
    received_at: datetime
    data: msgspec.Raw | None
    data_bytes: int
    attributes: msgspec.Raw
    reactions: tuple[ReactionView, ...] = ()
    taken_by: tuple[TakenByView, ...] = ()


class InboundQueries(Protocol):
    """Reads for people."""

    async def inbound(
        self, project: str, *, type_: str | None, source: str | None, limit: int, cursor: str | None
    ) -> Page[InboundEventView]:
        """Newest first."""
        ...
