"""What runner and orchestrator say of stores: read rows, write rows, undo what a node of the run wrote.

On `penstock.rpc.<pool>.store-read`, `.store-write` and `.store-undo`; each is fenced by the attempt's token.
"""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from penstock.contracts.errors import Problem
from penstock.contracts.limits import PAGE_ROWS_MAX
from penstock.contracts.workflow import Json

KEY = "$key"
"""What stands for a row's key where fields are named: in `where` and `order`."""

COMPARISONS = ("=", "<", "<=", ">", ">=", "in", "prefix")


class StoreQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`where`: field → a value that it equals, or {comparison: value}. All conditions hold."""

    table: str
    where: dict[str, Json] = {}
    order: str = KEY
    descending: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX)] = PAGE_ROWS_MAX
    cursor: str | None = None


class StoreRow(msgspec.Struct, frozen=True):
    """A row as it is read. Every write gives it a new `version`; one that is restored has its former one again."""

    key: str
    value: msgspec.Raw
    version: int


class StoreOperation(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`version`: only if the row still has it. An `insert` expects that there is no row."""

    do: Literal["put", "insert", "delete"]
    table: str
    key: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    version: int | None = None


class StoreRead(msgspec.Struct, frozen=True, omit_defaults=True):
    """The row with `key` of `query.table`, or, without a key, the rows that the query is about."""

    run: UUID
    node: str
    attempt: int
    token: UUID
    store: str
    query: StoreQuery
    key: str | None = None


class StoreWrite(msgspec.Struct, frozen=True):
    """All operations, or none of them."""

    run: UUID
    node: str
    attempt: int
    token: UUID
    store: str
    operations: tuple[StoreOperation, ...]


class StoreUndo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Restore what `undone` (a node of the same run) wrote. `force`: also over what others have written since."""

    run: UUID
    node: str
    attempt: int
    token: UUID
    store: str
    undone: str
    force: bool = False


class Refusal(StrEnum):
    INVALID = "invalid"  # the same request will be wrong again
    CONFLICT = "conflict"  # rows are not as the request expects them


class StoreRefusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nothing was done; `problems` lists all reasons."""

    kind: Refusal
    detail: str
    problems: tuple[Problem, ...] = ()


class StoreReadAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`held` is false when the token does not hold the attempt. `next`: the cursor of the following page."""

    held: bool
    refused: StoreRefusal | None = None
    rows: tuple[StoreRow, ...] = ()
    next: str | None = None


class StoreWriteAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`versions`: of each row that was written, in the order of the operations; none for a deleted one."""

    held: bool
    refused: StoreRefusal | None = None
    versions: tuple[int | None, ...] = ()


class StoreUndone(msgspec.Struct, frozen=True):
    """Rows that have their former value again, that are gone again, and that had been undone before."""

    restored: int = 0
    deleted: int = 0
    undone_before: int = 0


class StoreUndoAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    held: bool
    refused: StoreRefusal | None = None
    undone: StoreUndone = StoreUndone()
