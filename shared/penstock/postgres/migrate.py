"""Applies the numbered migrations, each once, under an advisory lock: several orchestrators may start at once."""

import hashlib
from collections.abc import Mapping, Set
from pathlib import Path

import asyncpg

LOCK = 7_069_837_411  # any number that is ours alone
TIMEOUT_S = 3600.0  # a migration may rewrite a large table, and who waits for its lock waits as long


class SchemaEdited(RuntimeError):
    """A migration was changed after this database had applied it."""


class SchemaTooNew(RuntimeError):
    """The database was migrated by a newer Penstock."""


async def migrate(
    connection: asyncpg.Connection, folder: Path, *, ledger: str = "schema_migration"
) -> list[str]:
    """Apply what is missing of `folder`, in order, in one transaction; returns the names of what was applied.

    `ledger` is the table that remembers; a service with a schema of its own keeps it there.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK, timeout=TIMEOUT_S)
        if "." in ledger:
            await connection.execute(f"create schema if not exists {ledger.split('.')[0]}")
        await connection.execute(
            f"create table if not exists {ledger}"
            " (name text primary key, digest text not null, applied_at timestamptz not null default now())"
        )
        rows = await connection.fetch(f"select name, digest from {ledger}")
        applied = {row["name"]: row["digest"] for row in rows}
        known = _known(folder)
        _refuse_newer(applied.keys(), known.keys())
        _refuse_edited(applied, known)
        note = f"insert into {ledger} (name, digest) values ($1, $2)"
        missing = [name for name in known if name not in applied]
        for name in missing:
            await connection.execute(known[name], timeout=TIMEOUT_S)
            await connection.execute(note, name, digest_of(known[name]))
        return missing


def _known(folder: Path) -> dict[str, str]:
    """File name → text, in order."""
    return {file.name: file.read_text() for file in sorted(folder.glob("*.sql"))}


def _refuse_newer(applied: Set[str], known: Set[str]) -> None:
    unknown = applied - known
    if unknown:
        raise SchemaTooNew(
            f"the database has migrations that this version does not know: {', '.join(sorted(unknown))};"
            " start the newer version"
        )


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_edited(applied: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Migrations are forward only: an edited one would leave databases that differ without a word."""
    edited = [name for name, digest in applied.items() if digest_of(known[name]) != digest]
    if edited:
        raise SchemaEdited(
            f"migration {', '.join(edited)} was changed after this database had applied it;"
            " put it back and write a new one, or start on an empty database"
        )
