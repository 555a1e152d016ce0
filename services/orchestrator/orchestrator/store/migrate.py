"""Applies the numbered migrations, each once, under an advisory lock: several orchestrators may start at once."""

from pathlib import Path

import asyncpg

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_069_837_411  # any number that is ours alone


class SchemaTooNew(RuntimeError):
    """The database was migrated by a newer Penstock."""


async def migrate(connection: asyncpg.Connection) -> list[str]:
    """Apply what is missing, in order, in one transaction; returns the names of what was applied."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(
            "create table if not exists schema_migration"
            " (name text primary key, applied_at timestamptz not null default now())"
        )
        rows = await connection.fetch("select name from schema_migration")
        applied = {row["name"] for row in rows}
        known = _known()
        _refuse_newer(applied, set(known))
        missing = [name for name in known if name not in applied]
        for name in missing:
            await connection.execute(known[name])
            await connection.execute("insert into schema_migration (name) values ($1)", name)
        return missing


def _known() -> dict[str, str]:
    """File name → text, in order."""
    return {file.name: file.read_text() for file in sorted(MIGRATIONS.glob("*.sql"))}


def _refuse_newer(applied: set[str], known: set[str]) -> None:
    unknown = applied - known
    if unknown:
        raise SchemaTooNew(
            f"the database has migrations that this version does not know: {', '.join(sorted(unknown))};"
            " start the newer version"
        )
