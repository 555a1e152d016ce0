"""Stores for people: save what a pack declares, look at rows, mend one by hand."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.engine.row_writes import definition_of, key_problems, locked_store, write
from orchestrator.engine.store_questions import conditions_of, table_of
from orchestrator.engine.store_views import RowsPage, RowView, SavedStore, StoresView, StoreView
from orchestrator.store.composed import Database
from orchestrator.store.store_definitions import (
    add_definition,
    change_definition,
    lock_definition,
    read_definition,
    read_names,
    read_store,
    read_stores,
)
from orchestrator.store.store_questions import read_row, read_rows
from orchestrator.store.store_rows import Writer, page_of_table
from penstock.contracts.errors import InvalidInput, LimitExceeded, NotFound, Problem
from penstock.contracts.limits import STORES_MAX
from penstock.contracts.store import StoreDefinition
from penstock.contracts.store_messages import StoreOperation, StoreQuery
from penstock.contracts.workflow import Json
from penstock.definition.store import load_store
from penstock.definition.values import check_value

ROWS_PER_PAGE = 500  # of those that a changed schema is tried on
UNFIT_TOLD_MAX = 20

log = structlog.get_logger(__name__)


class Stores:
    """Over connections of its own: no question of a person or an agent takes one from the engine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, project: str, name: str, text: bytes) -> SavedStore:
        """Raises InvalidInput with every problem, also with rows that a changed schema does not fit."""
        definition = load_store(text)
        if definition.name != name:
            raise InvalidInput.at("name", f"expected '{name}', as in the path, got '{definition.name}'")
        written = msgspec.json.encode(definition)
        digest = hashlib.sha256(written).hexdigest()
        async with self._database.transaction() as connection:
            created = await add_definition(
                connection, project, name, definition=written.decode(), digest=digest
            )
            if not created:
                await self._change(connection, project, definition, written.decode(), digest)
        return SavedStore(await self.view(project, name), created)

    async def list(self, project: str) -> StoresView:
        return await read_stores(self._database, project)

    async def view(self, project: str, name: str) -> StoreView:
        found = await read_store(self._database, project, name)
        if found is None:
            raise await self._unknown(project, name)
        return found

    async def rows(self, project: str, store: str, query: StoreQuery) -> RowsPage:
        table = table_of(await self._definition(project, store), query.table)
        return await read_rows(self._database, project, store, query, conditions_of(query, table))

    async def row(self, project: str, store: str, table: str, key: str) -> RowView:
        table_of(await self._definition(project, store), table)
        problems = key_problems("key", key)
        found = None if problems else await read_row(self._database, project, store, table, key)
        if found is None:
            raise NotFound(f"row of {store}/{table}", key)
        return found

    async def put(
        self, project: str, store: str, table: str, key: str, value: Json, *, by: str, version: int | None
    ) -> RowView:
        """Only if the row still has `version`, if one is given."""
        raw = msgspec.Raw(msgspec.json.encode(value))
        async with self._writing(project, store, table) as (connection, definition):
            operation = StoreOperation("put", table, key, raw, version)
            await write(connection, project, definition, [operation], Writer(by=by))
        log.info("store.row_put", project=project, store=store, table=table, key=key, by=by)
        return await self.row(project, store, table, key)

    async def delete(self, project: str, store: str, table: str, key: str, *, by: str) -> None:
        await self.row(project, store, table, key)
        async with self._writing(project, store, table) as (connection, definition):
            operation = StoreOperation("delete", table, key)
            await write(connection, project, definition, [operation], Writer(by=by))
        log.info("store.row_deleted", project=project, store=store, table=table, key=key, by=by)

    @asynccontextmanager
    async def _writing(
        self, project: str, store: str, table: str
    ) -> AsyncIterator[tuple[AsyncConnection, StoreDefinition]]:
        table_of(await self._definition(project, store), table)
        async with self._database.transaction() as connection:
            yield connection, await locked_store(connection, project, store)

    async def _change(
        self, connection: AsyncConnection, project: str, definition: StoreDefinition, text: str, digest: str
    ) -> None:
        """A table that is new, or like before, needs no look at rows."""
        former_text = await lock_definition(connection, project, definition.name)
        if former_text is None:
            raise LimitExceeded(f"a project has at most {STORES_MAX} stores")
        former = definition_of(former_text)
        if former == definition:
            return
        problems: list[Problem] = []
        for name, table in former.tables.items():
            after = definition.tables.get(name)
            if after is None or after.row != table.row:
                row = None if after is None else after.row
                problems += await _unfit_rows(connection, project, definition.name, name, row)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            told = f"rows that are there do not fit: {problems[0].path}: {problems[0].message}{more}"
            raise InvalidInput(told, tuple(problems))
        await change_definition(connection, project, definition.name, definition=text, digest=digest)

    async def _definition(self, project: str, name: str) -> StoreDefinition:
        found = await read_definition(self._database, project, name)
        if found is None:
            raise await self._unknown(project, name)
        return definition_of(found)

    async def _unknown(self, project: str, name: str) -> NotFound:
        return NotFound("store", name, await read_names(self._database, project))


async def _unfit_rows(
    connection: AsyncConnection, project: str, store: str, table: str, schema: Json
) -> list[Problem]:
    """The first rows that do not fit `schema`; without one the table is to go, which no row survives."""
    problems: list[Problem] = []
    after = ""
    while page := await page_of_table(connection, project, store, table, after=after, most=ROWS_PER_PAGE):
        for key, text in page:
            where = f"{table}/{key}"
            if schema is None:
                problems.append(Problem(where, "its table is not declared any more: delete the row first"))
            else:
                problems += check_value(schema, msgspec.json.decode(text), where)
            if len(problems) >= UNFIT_TOLD_MAX:
                return problems[:UNFIT_TOLD_MAX]
        after = page[-1][0]
    return problems
