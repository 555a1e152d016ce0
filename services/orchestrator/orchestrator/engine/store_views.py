"""Stores as people see them, and what both people and agents ask of a table."""

from datetime import datetime
from uuid import UUID

import msgspec

from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class StoreSummary(Value, frozen=True):
    """`rows`: in all its tables."""

    name: str
    description: str
    tables: tuple[str, ...]
    rows: int
    changed_at: datetime


class StoresView(Value, frozen=True):
    items: tuple[StoreSummary, ...]


class TableView(Value, frozen=True):
    """`row`: the JSON Schema that every row fits."""

    name: str
    description: str
    row: Json
    rows: int


class StoreView(Value, frozen=True):
    name: str
    description: str
    tables: tuple[TableView, ...]
    changed_at: datetime


class SavedStore(Value, frozen=True):
    store: StoreView
    created: bool


class RowView(Value, frozen=True):
    """A row and who wrote it last: a person (`by`), or an attempt of a run, which may be gone by now."""

    key: str
    value: msgspec.Raw
    version: int
    written_at: datetime
    by: str | None = None
    run: UUID | None = None
    node: str | None = None
    attempt: int | None = None


class RowsPage(Value, frozen=True):
    """`next`: the cursor of the following page; null: there is none."""

    items: tuple[RowView, ...]
    next: str | None = None


class Condition(Value, frozen=True):
    """One of what a row must be like: `$key` or a top-level field of it, compared with a value."""

    field: str
    comparison: str  # one of store_messages.COMPARISONS
    value: Json
