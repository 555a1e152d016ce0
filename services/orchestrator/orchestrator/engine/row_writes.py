"""Writing rows of a store: all operations of a write are checked, and then done, or none of them is."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.undoing_rows import RowName
from orchestrator.store.store_definitions import decoded, lock_definition
from orchestrator.store.store_rows import HeldRow, Writer, Written, find_rows, write_rows
from penstock.contracts.errors import Conflict, InvalidInput, NotFound, Problem
from penstock.contracts.limits import STORE_KEY_CHARS_MAX, STORE_OPERATIONS_MAX, STORE_ROW_BYTES_MAX
from penstock.contracts.names import did_you_mean
from penstock.contracts.store import StoreDefinition, TableDefinition
from penstock.contracts.store_messages import StoreOperation
from penstock.definition.values import check_value

DEFINITIONS_KEPT_MAX = 256
PROBLEMS_TOLD_MAX = 100

definition_of = lru_cache(maxsize=DEFINITIONS_KEPT_MAX)(decoded)
"""Of one text always the same value: compiled schemas are found by identity."""


class RowConflict(Conflict):
    """Rows are not as a write expects them; `problems` names each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0].path}: {problems[0].message}{more}")
        self.problems = tuple(problems[:PROBLEMS_TOLD_MAX])


async def locked_store(connection: AsyncConnection, project: str, store: str) -> StoreDefinition:
    """Raises NotFound."""
    found = await lock_definition(connection, project, store)
    if found is None:
        raise NotFound("store", store, known="save its store.yaml with `penstock apply`")
    return definition_of(found)


async def write(
    connection: AsyncConnection,
    project: str,
    definition: StoreDefinition,
    operations: Sequence[StoreOperation],
    writer: Writer,
) -> tuple[int | None, ...]:
    """The new versions, in the order of the operations. Raises InvalidInput and RowConflict.

    The store is locked.
    """
    refuse_invalid(definition, operations)
    names = [(operation.table, operation.key) for operation in operations]
    held = await find_rows(connection, project, definition.name, names)
    refuse_conflicts(operations, held, writer)
    written = [
        Written((each.table, each.key), _text(each), held.get((each.table, each.key)))
        for each in operations
        if each.do != "delete" or (each.table, each.key) in held
    ]
    versions = await write_rows(connection, project, definition.name, written, writer)
    return tuple(versions.get(name) for name in names)


def refuse_invalid(definition: StoreDefinition, operations: Sequence[StoreOperation]) -> None:
    """Raises InvalidInput with the problems of all operations."""
    problems = _batch_problems(operations)
    for place, operation in enumerate(operations[:STORE_OPERATIONS_MAX]):
        problems += _problems(definition, operation, f"operations[{place}]")
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        summary = f"nothing was written: {problems[0].path}: {problems[0].message}{more}"
        raise InvalidInput(summary, tuple(problems[:PROBLEMS_TOLD_MAX]))


def refuse_conflicts(
    operations: Sequence[StoreOperation], held: Mapping[RowName, HeldRow], writer: Writer
) -> None:
    """Raises RowConflict with all rows that are not as their operations expect them."""
    problems = [
        Problem(f"{each.table}/{each.key}", found)
        for each in operations
        if (found := _conflict(each, held.get((each.table, each.key)), writer))
    ]
    if problems:
        raise RowConflict(problems)


def _conflict(operation: StoreOperation, held: HeldRow | None, writer: Writer) -> str:
    if operation.do == "insert":
        if held is None or _is_of_earlier_attempt(held.writer, writer):
            return ""
        return f"there is a row with this key already, version {held.version}"
    if operation.version is None or (held is not None and held.version == operation.version):
        return ""
    now = "there is no such row any more" if held is None else f"it has version {held.version} now"
    return f"expected version {operation.version}, but {now}"


def _is_of_earlier_attempt(former: Writer, writer: Writer) -> bool:
    """An attempt that was lost after its insert: the next one of the same node inserts again."""
    if writer.run is None or writer.attempt is None or former.attempt is None:
        return False
    return (former.run, former.node) == (writer.run, writer.node) and former.attempt < writer.attempt


def _batch_problems(operations: Sequence[StoreOperation]) -> list[Problem]:
    problems: list[Problem] = []
    if len(operations) > STORE_OPERATIONS_MAX:
        message = f"{len(operations)} of them; at most {STORE_OPERATIONS_MAX} are written at once"
        problems.append(Problem("operations", message))
    seen: set[RowName] = set()
    for place, each in enumerate(operations):
        if (each.table, each.key) in seen:
            problems.append(Problem(f"operations[{place}]", f"{each.table}/{each.key} is written twice"))
        seen.add((each.table, each.key))
    return problems


def _problems(definition: StoreDefinition, operation: StoreOperation, path: str) -> list[Problem]:
    problems = key_problems(f"{path}.key", operation.key)
    table = definition.tables.get(operation.table)
    if table is None:
        known = (
            did_you_mean(operation.table, definition.tables) or f"; there are {', '.join(definition.tables)}"
        )
        message = f"store '{definition.name}' has no table named '{operation.table}'{known}"
        return [*problems, Problem(f"{path}.table", message)]
    if operation.do == "insert" and operation.version is not None:
        problems.append(
            Problem(f"{path}.version", "an insert expects that there is no row, and so no version")
        )
    if operation.do == "delete":
        return problems
    where = f"{path}.value"
    if operation.value is msgspec.UNSET:
        return [*problems, Problem(where, "is missing")]
    text = bytes(operation.value)
    if len(text) > STORE_ROW_BYTES_MAX:
        message = f"{len(text)} bytes; a row has at most {STORE_ROW_BYTES_MAX}: name an artifact in it"
        return [*problems, Problem(where, message)]
    if b"\\u0000" in text:
        problems.append(Problem(where, "contains the character U+0000, which a row may not hold"))
    return [*problems, *_value_problems(table, text, where)]


def _value_problems(table: TableDefinition, text: bytes, where: str) -> tuple[Problem, ...]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return (Problem(where, f"expected JSON: {error}"),)
    return check_value(table.row, value, where)


def key_problems(path: str, key: str) -> list[Problem]:
    if 1 <= len(key) <= STORE_KEY_CHARS_MAX and "\x00" not in key:
        return []
    return [Problem(path, f"expected 1 to {STORE_KEY_CHARS_MAX} characters without U+0000, got {len(key)}")]


def _text(operation: StoreOperation) -> str | None:
    if operation.do == "delete" or operation.value is msgspec.UNSET:
        return None
    return bytes(operation.value).decode()
