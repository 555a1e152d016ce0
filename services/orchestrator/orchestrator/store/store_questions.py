"""Reads of one table of a store, as they are asked: any conditions, any order, a page at a time.

Equality is asked of an index over all values; a row's key is asked of the primary key. Numbers compare as numbers,
text by code points; a field that is missing is like one that is null.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Integer,
    Numeric,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    collate,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.engine.store_views import Condition, RowsPage, RowView
from orchestrator.store.composed import Database
from orchestrator.store.cursor import SortKey, read_cursor, write_cursor
from orchestrator.store.tables import store_row
from penstock.contracts.limits import STORE_PAGE_BYTES_MAX
from penstock.contracts.store_messages import KEY, StoreQuery
from penstock.contracts.workflow import Json
from penstock.telemetry.operations import measured

SORT_CHARS_MAX = 200  # of a text that is sorted by; what is alike up to here is sorted by its key

_row = store_row.c
_LAST_CHARACTER = "\U0010ffff"
_COMPARED: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@measured
async def read_rows(
    database: Database, project: str, store: str, query: StoreQuery, conditions: tuple[Condition, ...]
) -> RowsPage:
    """One page: at most `query.limit` rows and STORE_PAGE_BYTES_MAX bytes, but at least one row if there is one."""
    order = _order_of(query.order)
    statement = (
        select(store_row, *(column.label(f"sort_{place}") for place, column in enumerate(order)))
        .where(_row.project == project, _row.store == store, _row.table_name == query.table)
        .where(*(_is_met(condition) for condition in conditions))
        .order_by(*(column.desc() if query.descending else column for column in order))
        .limit(query.limit + 1)
    )
    rows = await database.rows(_beyond(statement, query, order))
    kept = rows[: _fitting(rows, query.limit)]
    return RowsPage(
        tuple(row_view(row) for row in kept),
        _cursor_of(kept[-1]) if len(kept) < len(rows) else None,
    )


@measured
async def read_row(database: Database, project: str, store: str, table: str, key: str) -> RowView | None:
    statement = select(store_row).where(
        _row.project == project, _row.store == store, _row.table_name == table, _row.key == key
    )
    row = await database.row(statement)
    return None if row is None else row_view(row)


def row_view(row: Row[Any]) -> RowView:
    return RowView(
        key=row.key,
        value=msgspec.Raw(row.value.encode()),
        version=row.version,
        written_at=row.written_at,
        by=row.by,
        run=row.run,
        node=row.node,
        attempt=row.attempt,
    )


def _is_met(condition: Condition) -> ColumnElement[bool]:
    if condition.field == KEY:
        return _key_is(condition.comparison, condition.value)
    match condition.comparison:
        case "=":
            return _equals(condition.field, condition.value)
        case "in":
            return or_(literal(False), *(_equals(condition.field, value) for value in condition.value))
        case "prefix":
            begins: ColumnElement[bool] = func.starts_with(_text_of(condition.field), condition.value)
            return begins
        case comparison:
            return _COMPARED[comparison](*_comparable(condition.field, condition.value))


def _key_is(comparison: str, value: Any) -> ColumnElement[bool]:
    match comparison:
        case "=":
            is_it: ColumnElement[bool] = _row.key == value
            return is_it
        case "in":
            return _row.key.in_(value)
        case "prefix":
            within = and_(_row.key >= value, _row.key <= value + _LAST_CHARACTER)
            return and_(within, func.starts_with(_row.key, value))
        case _:
            return _COMPARED[comparison](_row.key, value)


def _equals(field: str, value: Json) -> ColumnElement[bool]:
    if value is None:
        return _kind(field) == "null"
    return _row.value.contains(literal({field: value}, JSONB))


def _comparable(field: str, value: str | float) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The field and the value, of one type; a field of another type is null, which compares as neither."""
    if isinstance(value, str):
        return _text_of(field), literal(value, Text)
    return _number_of(field), cast(literal(str(value), Text), Numeric)


def _field(field: str) -> ColumnElement[Any]:
    return _row.value.op("->")(literal(field, Text))


def _kind(field: str) -> ColumnElement[str]:
    return func.coalesce(func.jsonb_typeof(_field(field)), "null")


def _plain(field: str) -> ColumnElement[str]:
    return _row.value.op("->>", return_type=Text())(literal(field, Text))


def _text_of(field: str) -> ColumnElement[Any]:
    return collate(case((_kind(field) == "string", _plain(field))), "C")


def _number_of(field: str) -> ColumnElement[Any]:
    return case((_kind(field) == "number", cast(_plain(field), Numeric)))


def _order_of(field: str) -> tuple[ColumnElement[Any], ...]:
    """Rank of the type, number, text and key: never null, so that a page can begin beyond any row."""
    if field == KEY:
        return (_row.key,)
    kinds = ("null", "boolean", "number", "string")
    rank = case(*((_kind(field) == kind, place) for place, kind in enumerate(kinds)), else_=len(kinds))
    number = case(
        (_kind(field) == "number", cast(_plain(field), Numeric)),
        (_plain(field) == "true", cast(1, Numeric)),
        else_=cast(0, Numeric),
    )
    text = func.coalesce(func.left(_text_of(field), SORT_CHARS_MAX), "")
    return cast(rank, Integer), number, collate(text, "C"), _row.key


def _beyond(statement: Select[Any], query: StoreQuery, order: tuple[ColumnElement[Any], ...]) -> Select[Any]:
    """The rows after the cursor, in the order of the query."""
    if query.cursor is None:
        return statement
    after = read_cursor(query.cursor, SortKey)
    if len(order) == 1:
        return statement.where(_row.key < after.key if query.descending else _row.key > after.key)
    place = tuple_(
        literal(after.rank, Integer),
        cast(literal(str(after.number), Text), Numeric),
        literal(after.text, Text),
        literal(after.key, Text),
    )
    columns = tuple_(*order)
    return statement.where(columns < place if query.descending else columns > place)


def _cursor_of(row: Row[Any]) -> str:
    if not hasattr(row, "sort_1"):
        return write_cursor(SortKey(0, Decimal(0), "", row.key))
    return write_cursor(SortKey(row.sort_0, row.sort_1, row.sort_2, row.key))


def _fitting(rows: Any, limit: int) -> int:
    """How many rows fit into a page."""
    total = 0
    for count, row in enumerate(rows[:limit]):
        total += len(row.value.encode()) + len(row.key.encode())
        if count and total > STORE_PAGE_BYTES_MAX:
            return count
    return min(len(rows), limit)
