"""Pages of the items of a `foreach` node."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Integer, Row, Text, cast, func, select

from orchestrator.domain.unit import item_name
from orchestrator.engine.unit_views import ItemView
from orchestrator.engine.views import Page
from orchestrator.store.composed import Database
from orchestrator.store.cursor import IndexKey, read_cursor, write_cursor
from orchestrator.store.node_rows import output_of
from orchestrator.store.tables import node
from penstock.contracts.failure import Failure
from penstock.telemetry.operations import measured

_failure = msgspec.json.Decoder(Failure)
_INDEX = cast(func.substring(node.c.name, r"\[(\d+)\]$"), Integer)  # null for undoings


@measured
async def read_items(
    database: Database,
    run_id: UUID,
    name: str,
    *,
    states: tuple[str, ...],
    limit: int,
    cursor: str | None,
) -> Page[ItemView]:
    """In order. Without a filter a page is a range of names; with one, all items are looked at."""
    first = 0 if cursor is None else read_cursor(cursor, IndexKey).index + 1
    statement = select(
        _INDEX.label("index"),
        node.c.state,
        node.c.attempt,
        node.c.runner,
        node.c.started_at,
        node.c.ended_at,
        func.octet_length(cast(output_of(), Text)).label("output_bytes"),
        node.c.failure,
    ).where(node.c.run_id == run_id, *_which(name, states, first=first, limit=limit))
    rows = await database.rows(statement.order_by(_INDEX).limit(limit + 1))
    items = tuple(_item_view(row) for row in rows[:limit])
    return Page(items=items, next=write_cursor(IndexKey(items[-1].index)) if len(rows) > limit else None)


def _which(name: str, states: tuple[str, ...], *, first: int, limit: int) -> list[ColumnElement[bool]]:
    if not states:
        return [node.c.name.in_([item_name(name, index) for index in range(first, first + limit + 1)])]
    return [node.c.part_of == name, node.c.state.in_(states), first <= _INDEX]


def _item_view(row: Row[Any]) -> ItemView:
    fields = dict(row._mapping)
    return ItemView(**fields | {"failure": None if row.failure is None else _failure.decode(row.failure)})
