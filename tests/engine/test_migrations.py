"""Migrations: each once, forward only, and nobody edits the past."""

import asyncio

import asyncpg
import pytest

from orchestrator.store.migrate import SchemaEdited, SchemaTooNew, migrate


async def test_orchestrators_that_start_together_migrate_once(database: str) -> None:
    connections = [await asyncpg.connect(database) for _ in range(4)]
    await connections[0].execute("drop schema public cascade; create schema public")

    applied = await asyncio.gather(*(migrate(connection) for connection in connections))

    assert sorted(map(len, applied)) == [0, 0, 0, len(max(applied, key=len))]
    assert max(applied, key=len)[0] == "0001_spine.sql"
    for connection in connections:
        await connection.close()


async def test_a_migration_that_was_edited_later_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("update schema_migration set digest = 'another'")

    with pytest.raises(SchemaEdited, match=r"0001_spine\.sql"):
        await migrate(connection)
    await connection.close()


async def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("insert into schema_migration (name, digest) values ('9999_future.sql', 'x')")

    with pytest.raises(SchemaTooNew, match=r"9999_future\.sql"):
        await migrate(connection)
    await connection.close()
