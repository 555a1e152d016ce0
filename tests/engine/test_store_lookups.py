"""Rows of a store are looked up one by one, also when the statistics of the tables lag behind."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from orchestrator.domain.undoing_rows import RowName
from orchestrator.store.composed import Database, open_database
from orchestrator.store.store_definitions import lock_definition
from orchestrator.store.store_rows import Writer, Written, find_rows, write_rows

STORE = text(
    "insert into store (project, name, definition, digest) values ('default', 'worklog', '{}', 'one')"
)
MANY = text("""
insert into store_row (project, store, table_name, key, value, version, by)
select 'default', 'worklog', 'entries', 'other ' || n, '{}', n, 'eve' from generate_series(1, 2000) n
""")
# What this session has read, and not handed in to the statistics yet, which it does between transactions only.
READ = text("select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'store_row'")
PLANS_KEPT_AFTER = 6  # uses of a statement, PostgreSQL may keep its plan

NAMES: list[RowName] = [("entries", f"key {n}") for n in range(20)]


@pytest.fixture
async def connections(database: str) -> AsyncIterator[Database]:
    opened = open_database(database)
    yield opened
    await opened.dispose()


@pytest.mark.parametrize("is_analysed", [False, True])
async def test_a_write_reads_no_row_but_its_own(connections: Database, *, is_analysed: bool) -> None:
    async with connections.transaction() as connection:
        await connection.execute(STORE)
    await put_and_delete(connections)
    if is_analysed:
        await write(connections, "{}")
        async with connections.transaction() as connection:
            await connection.execute(text("analyze store_row"))
    for _ in range(PLANS_KEPT_AFTER):
        await put_and_delete(connections)
    async with connections.transaction() as connection:
        await connection.execute(MANY)

    read = await put_and_delete(connections)

    assert 0 < read <= 4 * len(NAMES)


async def put_and_delete(connections: Database) -> int:
    """The rows that both have read."""
    return await write(connections, "{}") + await write(connections, None)


async def write(connections: Database, value: str | None) -> int:
    """The rows that were read for it."""
    async with connections.transaction() as connection:
        before = (await connection.execute(READ)).scalar_one()
        await lock_definition(connection, "default", "worklog")
        held = await find_rows(connection, "default", "worklog", NAMES)
        written = [Written(name, value, held.get(name)) for name in NAMES]
        await write_rows(connection, "default", "worklog", written, Writer(run=uuid4(), node="n", attempt=1))
        return int((await connection.execute(READ)).scalar_one() - before)
