"""Asks `invariants.sql` of a database."""

import re
from pathlib import Path

import asyncpg


def statements_in(path: Path) -> dict[str, str]:
    """Name → statement."""
    return dict(re.findall(r"-- name: (\w+)\n(.*?;)", path.read_text(), re.DOTALL))


STATEMENTS = statements_in(Path(__file__).with_name("invariants.sql"))


async def broken_invariants(database_url: str) -> dict[str, list[dict[str, object]]]:
    """Name → the rows that break it (ten at most), for the invariants that do not hold."""
    connection = await asyncpg.connect(database_url)
    try:
        found = {name: await connection.fetch(statement) for name, statement in STATEMENTS.items()}
    finally:
        await connection.close()
    return {name: [dict(row) for row in rows[:10]] for name, rows in found.items() if rows}
