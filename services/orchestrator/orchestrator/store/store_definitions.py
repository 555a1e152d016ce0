"""Definitions of stores as rows. Who writes rows or the definition locks the store's row, before any other."""

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.engine.store_views import StoreSummary, StoresView, StoreView, TableView
from orchestrator.store.composed import Database
from orchestrator.store.tables import store, store_row
from penstock.contracts.limits import STORES_MAX
from penstock.contracts.store import StoreDefinition
from penstock.telemetry.operations import measured

_INSERT = text("""
insert into store (project, name, definition, digest)
select :project, :name, cast(:definition as json), :digest
where (select count(*) from store where project = :project) < :most
on conflict do nothing returning 1
""")
_UPDATE = text("""
update store set definition = cast(:definition as json), digest = :digest, changed_at = now()
where project = :project and name = :name
""")
# What is written next looks names up in a table. A plan made while the table was small would scan it whole for each
# name, and be kept while it grows (tests/engine/test_store_lookups.py).
_LOCK = text("""
select definition::text, set_config('enable_seqscan', 'off', true)
from store where project = :project and name = :name for no key update
""")


def decoded(definition: bytes | str) -> StoreDefinition:
    return msgspec.json.decode(definition, type=StoreDefinition)


@measured
async def lock_definition(connection: AsyncConnection, project: str, name: str) -> str | None:
    """The definition as JSON. Writers of one store take turns: no row of it changes until the transaction ends."""
    found: str | None = (await connection.execute(_LOCK, {"project": project, "name": name})).scalar()
    return found


@measured
async def add_definition(
    connection: AsyncConnection, project: str, name: str, *, definition: str, digest: str
) -> bool:
    """False if there is one already, or too many stores."""
    given = {"project": project, "name": name, "definition": definition, "digest": digest, "most": STORES_MAX}
    return (await connection.execute(_INSERT, given)).scalar() is not None


@measured
async def change_definition(
    connection: AsyncConnection, project: str, name: str, *, definition: str, digest: str
) -> None:
    given = {"project": project, "name": name, "definition": definition, "digest": digest}
    await connection.execute(_UPDATE, given)


@measured
async def read_definition(database: Database, project: str, name: str) -> str | None:
    found = select(store.c.definition).where(store.c.project == project, store.c.name == name)
    row = await database.row(found)
    return None if row is None else bytes(row.definition).decode()


@measured
async def read_names(database: Database, project: str) -> tuple[str, ...]:
    names = select(store.c.name).where(store.c.project == project).order_by(store.c.name)
    return tuple(row.name for row in await database.rows(names))


@measured
async def read_stores(database: Database, project: str) -> StoresView:
    counted = (
        select(func.count())
        .where(store_row.c.project == store.c.project, store_row.c.store == store.c.name)
        .correlate(store)
        .scalar_subquery()
    )
    found = select(store, counted.label("rows")).where(store.c.project == project).order_by(store.c.name)
    rows = await database.rows(found)
    definitions = [decoded(bytes(row.definition)) for row in rows]
    return StoresView(
        tuple(
            StoreSummary(row.name, each.description, tuple(each.tables), row.rows, row.changed_at)
            for row, each in zip(rows, definitions, strict=True)
        )
    )


@measured
async def read_store(database: Database, project: str, name: str) -> StoreView | None:
    row = await database.row(select(store).where(store.c.project == project, store.c.name == name))
    if row is None:
        return None
    counts = select(store_row.c.table_name, func.count().label("rows")).where(
        store_row.c.project == project, store_row.c.store == name
    )
    by_table = {
        each.table_name: each.rows for each in await database.rows(counts.group_by(store_row.c.table_name))
    }
    definition = decoded(bytes(row.definition))
    tables = tuple(
        TableView(table, each.description, each.row, by_table.get(table, 0))
        for table, each in definition.tables.items()
    )
    return StoreView(name, definition.description, tables, row.changed_at)
