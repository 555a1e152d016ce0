"""Migrations: each once, forward only, and nobody edits the past."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from orchestrator.store.database import MIGRATIONS
from penstock.postgres.migrate import SchemaEdited, SchemaTooNew, digest_of, migrate


async def test_orchestrators_that_start_together_migrate_once(database: str) -> None:
    connections = [await asyncpg.connect(database) for _ in range(4)]
    await connections[0].execute("drop schema public cascade; create schema public")

    applied = await asyncio.gather(*(migrate(connection, MIGRATIONS) for connection in connections))

    assert sorted(map(len, applied)) == [0, 0, 0, len(max(applied, key=len))]
    assert max(applied, key=len)[0] == "0001_spine.sql"
    for connection in connections:
        await connection.close()


async def test_a_migration_that_was_edited_later_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("update schema_migration set digest = 'another'")

    with pytest.raises(SchemaEdited, match=r"0001_spine\.sql"):
        await migrate(connection, MIGRATIONS)
    await connection.close()


async def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("insert into schema_migration (name, digest) values ('9999_future.sql', 'x')")

    with pytest.raises(SchemaTooNew, match=r"9999_future\.sql"):
        await migrate(connection, MIGRATIONS)
    await connection.close()


async def test_a_timeline_with_events_is_moved_into_its_months(database: str) -> None:
    """From the schema before 0004, as a database that is in use has it."""
    connection, former = await asyncpg.connect(database), await asyncpg.connect(database)
    await _migrate_to(connection, before="0004")
    ids = [_id_of(datetime(2026, 8, 31, 23, 59, tzinfo=UTC)), _id_of(datetime.now(UTC)), uuid4()]
    for id_ in ids:
        await connection.execute(_RUN, id_)
        await former.executemany(_EVENT, [(id_, seq) for seq in (1, 2)])
    write = await former.prepare(_EVENT)
    await write.fetch(ids[1], 3)
    before = await connection.fetch("select * from run_event order by run_id, seq")

    assert "0004_retention.sql" in await migrate(connection, MIGRATIONS)

    assert await connection.fetch("select * from run_event order by run_id, seq") == before
    places = await connection.fetch(
        "select distinct run_id, tableoid::regclass::text as place from run_event"
    )
    assert {row["run_id"]: row["place"] for row in places} == {
        ids[0]: "run_event_2026_08",
        ids[1]: f"run_event_{datetime.now(UTC):%Y_%m}",
        ids[2]: "run_event_default",
    }
    await write.fetch(ids[0], 3)  # what the former version had prepared still finds its table
    assert await connection.fetchval("select count(*) from run_event_2026_08") == 3
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(_EVENT, ids[0], 3)
    await connection.close()
    await former.close()


async def test_triggers_that_were_saved_before_they_started_anything_are_known(database: str) -> None:
    connection = await asyncpg.connect(database)
    await _migrate_to(connection, before="0008")
    triggers = [
        {"schedule": {"cron": "0 6 * * *"}},
        {"event": {"type": "paid", "if": "${{ true }}", "input": {"a": "${{ event.id }}"}}},
        {"alert": {"match": {"alertname": "Down"}}},
        {"event": {"type": "sent"}},
    ]
    for version, own in ((1, triggers[:1]), (2, triggers)):
        await connection.execute(
            "insert into workflow (project, name, latest_version) values ('default', 'greet', $1)"
            " on conflict (project, name) do update set latest_version = $1",
            version,
        )
        await connection.execute(
            "insert into workflow_version (project, name, version, digest, source)"
            " values ('default', 'greet', $1, 'd', $2)",
            version,
            json.dumps({"name": "greet", "triggers": own}),
        )
    await connection.execute(
        "insert into workflow (project, name, latest_version) values ('default', 'bare', 1)"
    )
    await connection.execute(
        "insert into workflow_version (project, name, version, digest, source)"
        " values ('default', 'bare', 1, 'd', '{\"name\": \"bare\"}')"
    )

    await migrate(connection, MIGRATIONS)

    rows = await connection.fetch(
        "select name, type, match::text, condition, input::text from event_trigger order by name"
    )
    assert [tuple(row) for row in rows] == [
        ("alert-1", "penstock.alert.firing", '{"alertname": "Down"}', None, None),
        ("event-1", "paid", None, "${{ true }}", '{"a": "${{ event.id }}"}'),
        ("event-2", "sent", None, None, None),
    ]
    await connection.close()


_RUN = """
insert into run (id, project, workflow, workflow_version, state, version, nodes_total, nodes_open, input)
values ($1, 'default', 'greet', 1, 'running', 2, 1, 1, '{}')
"""
_EVENT = "insert into run_event (run_id, seq, at, kind, data) values ($1::uuid, $2::bigint, now(), 'run.started', '{}')"


async def _migrate_to(connection: asyncpg.Connection, *, before: str) -> None:
    """The schema as it was, with its notes."""
    await connection.execute("drop schema public cascade; create schema public")
    await connection.execute(
        "create table schema_migration"
        " (name text primary key, digest text not null, applied_at timestamptz not null default now())"
    )
    for file in sorted(MIGRATIONS.glob("*.sql")):
        if file.name < before:
            await connection.execute(file.read_text())
            note = "insert into schema_migration (name, digest) values ($1, $2)"
            await connection.execute(note, file.name, digest_of(file.read_text()))


def _id_of(moment: datetime) -> UUID:
    """A UUIDv7 of that moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x8 << 60 | 1)
