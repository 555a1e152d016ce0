"""Reads of events from other systems, as a person lists them, with what each did."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Integer, Text, case, cast, func, null, select

from orchestrator.engine.inbox_port import InboundEventView, ReactionView, TakenByView
from orchestrator.engine.views import Page
from orchestrator.store.composed import Database
from orchestrator.store.cursor import read_cursor, write_cursor
from orchestrator.store.tables import RawJson, event_reaction, event_taken, inbound_event
from penstock.contracts.errors import InvalidInput
from penstock.contracts.limits import KIB

LISTED_BYTES_MAX = 16 * KIB  # of one event's data; a page of 200 stays a few MiB
SEQ_MAX = 2**63 - 1


class SeqKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    seq: int


_BYTES = func.octet_length(cast(inbound_event.c.data, Text))
_LISTED = select(
    inbound_event.c.seq,
    inbound_event.c.id,
    inbound_event.c.source,
    inbound_event.c.type,
    inbound_event.c.subject,
    inbound_event.c.time,
    inbound_event.c.received_at,
    case((_BYTES <= LISTED_BYTES_MAX, inbound_event.c.data), else_=null()).cast(RawJson).label("data"),
    cast(_BYTES, Integer).label("data_bytes"),
    inbound_event.c.attributes,
).order_by(inbound_event.c.seq.desc())


_REACTIONS = select(event_reaction).order_by(event_reaction.c.workflow, event_reaction.c.trigger)
_TAKEN = select(event_taken).order_by(event_taken.c.at, event_taken.c.run_id, event_taken.c.node)


class InboundReads:
    """`InboundQueries` over PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def inbound(
        self, project: str, *, type_: str | None, source: str | None, limit: int, cursor: str | None
    ) -> Page[InboundEventView]:
        statement = _LISTED.where(inbound_event.c.project == project).limit(limit + 1)
        if type_ is not None:
            statement = statement.where(inbound_event.c.type == type_)
        if source is not None:
            statement = statement.where(inbound_event.c.source == source)
        if cursor is not None:
            statement = statement.where(inbound_event.c.seq < _seq(cursor))
        rows = await self._database.rows(statement)
        shown = rows[:limit]
        did = await self._did([row.seq for row in shown])
        items = tuple(
            InboundEventView(
                **{name: value for name, value in row._mapping.items() if name != "seq"},
                reactions=tuple(did.reactions[row.seq]),
                taken_by=tuple(did.taken_by[row.seq]),
            )
            for row in shown
        )
        return Page(items, write_cursor(SeqKey(shown[-1].seq)) if len(rows) > limit else None)

    async def _did(self, events: Sequence[int]) -> "_Did":
        did = _Did(defaultdict(list), defaultdict(list))
        for row in await self._database.rows(_REACTIONS.where(event_reaction.c.event_seq.in_(events))):
            view = ReactionView(
                row.workflow, row.trigger, row.outcome, row.run_id, row.reason, row.at, row.due_at
            )
            did.reactions[row.event_seq].append(view)
        for row in await self._database.rows(_TAKEN.where(event_taken.c.event_seq.in_(events))):
            did.taken_by[row.event_seq].append(TakenByView(row.run_id, row.node, row.at))
        return did


class _Did(NamedTuple):
    """What events did, by their numbers."""

    reactions: defaultdict[int, list[ReactionView]]
    taken_by: defaultdict[int, list[TakenByView]]


def _seq(cursor: str) -> int:
    seq = read_cursor(cursor, SeqKey).seq
    if not 0 <= seq <= SEQ_MAX:
        raise InvalidInput.at("cursor", "expected the `next` of a former page, unchanged")
    return seq
