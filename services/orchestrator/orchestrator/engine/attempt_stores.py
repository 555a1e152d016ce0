"""What running attempts ask of stores: reads, writes, and the undoing of what a node of their run wrote."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.undoing_rows import Undoing, undoing_of
from orchestrator.engine.row_writes import (
    PROBLEMS_TOLD_MAX,
    RowConflict,
    definition_of,
    locked_store,
    write,
)
from orchestrator.engine.store_questions import conditions_of, table_of
from orchestrator.engine.store_views import RowsPage, RowView
from orchestrator.store.composed import Database
from orchestrator.store.store_definitions import read_definition, read_names
from orchestrator.store.store_questions import read_row, read_rows
from orchestrator.store.store_rows import (
    HeldRow,
    Writer,
    Written,
    changes_of,
    find_rows,
    hold_attempt,
    holder_of,
    note_undone,
    write_rows,
)
from penstock.contracts.errors import InvalidInput, NotFound, PenstockError, Problem
from penstock.contracts.limits import ATTEMPTS_MAX
from penstock.contracts.names import did_you_mean
from penstock.contracts.store_messages import (
    Refusal,
    StoreRead,
    StoreReadAnswer,
    StoreRefusal,
    StoreRow,
    StoreUndo,
    StoreUndoAnswer,
    StoreUndone,
    StoreWrite,
    StoreWriteAnswer,
)
from penstock.contracts.wire import Undecodable

log = structlog.get_logger(__name__)


class NotHeld(Exception):
    """The token does not hold the attempt."""


class AttemptStores:
    """Each call is fenced by the attempt's token; a write in the transaction that it is done in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, asked: StoreRead) -> StoreReadAnswer:
        try:
            page = await self._read(await self._project_of(asked), asked)
        except NotHeld:
            return StoreReadAnswer(held=False)
        except (InvalidInput, NotFound) as error:
            return StoreReadAnswer(held=True, refused=_refusal(error))
        rows = tuple(StoreRow(row.key, row.value, row.version) for row in page.items)
        return StoreReadAnswer(held=True, rows=rows, next=page.next)

    async def write(self, asked: StoreWrite) -> StoreWriteAnswer:
        try:
            async with self._held(asked) as (connection, project):
                definition = await locked_store(connection, project, asked.store)
                versions = await write(connection, project, definition, asked.operations, _writer(asked))
        except NotHeld:
            return StoreWriteAnswer(held=False)
        except (InvalidInput, NotFound, RowConflict) as error:
            return StoreWriteAnswer(held=True, refused=_refusal(error))
        return StoreWriteAnswer(held=True, versions=versions)

    async def undo(self, asked: StoreUndo) -> StoreUndoAnswer:
        """Nothing is checked against the schemas: what is restored was valid when it was written."""
        try:
            async with self._held(asked) as (connection, project):
                await locked_store(connection, project, asked.store)
                undone = await _undo(connection, project, asked)
        except NotHeld:
            return StoreUndoAnswer(held=False)
        except (InvalidInput, NotFound, RowConflict) as error:
            return StoreUndoAnswer(held=True, refused=_refusal(error))
        log.info("store.undone", run=str(asked.run), node=asked.undone, by=asked.node, store=asked.store)
        return StoreUndoAnswer(held=True, undone=undone)

    async def _read(self, project: str, asked: StoreRead) -> RowsPage:
        found = await read_definition(self._database, project, asked.store)
        if found is None:
            known = did_you_mean(asked.store, await read_names(self._database, project))
            raise NotFound("store", asked.store, known=known or "save its store.yaml with `penstock apply`")
        table = table_of(definition_of(found), asked.query.table)
        if asked.key is None:
            conditions = conditions_of(asked.query, table)
            return await read_rows(self._database, project, asked.store, asked.query, conditions)
        row = await read_row(self._database, project, asked.store, asked.query.table, asked.key)
        rows: tuple[RowView, ...] = () if row is None else (row,)
        return RowsPage(rows)

    async def _project_of(self, asked: StoreRead) -> str:
        """Raises NotHeld."""
        _refuse_odd(asked)
        held = await holder_of(
            self._database, run=asked.run, node=asked.node, attempt=asked.attempt, token=asked.token
        )
        if held is None:
            raise NotHeld
        return held

    @asynccontextmanager
    async def _held(self, asked: StoreWrite | StoreUndo) -> AsyncIterator[tuple[AsyncConnection, str]]:
        """A transaction that the attempt is held in, and its project. Raises NotHeld, Undecodable."""
        _refuse_odd(asked)
        async with self._database.transaction() as connection:
            project = await hold_attempt(
                connection, run=asked.run, node=asked.node, attempt=asked.attempt, token=asked.token
            )
            if project is None:
                raise NotHeld
            yield connection, project


def _refuse_odd(asked: StoreRead | StoreWrite | StoreUndo) -> None:
    """What no column can hold, no runner of ours has said: it goes to the dead letters."""
    names = (asked.node, asked.store, *((asked.undone,) if isinstance(asked, StoreUndo) else ()))
    is_key_odd = isinstance(asked, StoreRead) and "\x00" in (asked.key or "")
    if is_key_odd or any("\x00" in name for name in names) or not 0 < asked.attempt <= ATTEMPTS_MAX:
        raise Undecodable(f"not a {type(asked).__name__}: a name with U+0000, or no attempt {asked.attempt}")


async def _undo(connection: AsyncConnection, project: str, asked: StoreUndo) -> StoreUndone:
    run, node, store = asked.run, asked.undone, asked.store
    changes, undone_before = await changes_of(connection, project, store, run=run, node=node)
    held = await find_rows(connection, project, store, sorted({change.row for change in changes}))
    undoing = undoing_of(changes, {row: found.version for row, found in held.items()})
    if undoing.changed_since and not asked.force:
        raise _changed_since(undoing, held, node)
    written = [
        Written(each.row, each.value, held.get(each.row), each.version) for each in undoing.restorations
    ]
    await write_rows(connection, project, store, written, _writer(asked))
    await note_undone(connection, project, store, run=run, node=node, by=asked.node)
    deleted = sum(each.value is None for each in undoing.restorations)
    return StoreUndone(len(written) - deleted, deleted, undone_before)


def _changed_since(undoing: Undoing, held: dict[tuple[str, str], HeldRow], node: str) -> RowConflict:
    def state(row: tuple[str, str]) -> str:
        found = held.get(row)
        if found is None:
            return "it is gone"
        who = f"node '{found.writer.node}' of run {found.writer.run}" if found.writer.run else "a person"
        return f"{who} wrote version {found.version}"

    message = f"somebody else has written it since '{node}' did"
    return RowConflict(
        [
            Problem("/".join(row), f"{message}: {state(row)}")
            for row in undoing.changed_since[:PROBLEMS_TOLD_MAX]
        ]
    )


def _writer(asked: StoreWrite | StoreUndo) -> Writer:
    return Writer(run=asked.run, node=asked.node, attempt=asked.attempt)


def _refusal(error: PenstockError) -> StoreRefusal:
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    kind = Refusal.CONFLICT if isinstance(error, RowConflict) else Refusal.INVALID
    return StoreRefusal(kind, str(error), problems)
