"""Asks `invariants.sql` of a database."""

import re
from pathlib import Path

import asyncpg

STATEMENTS = dict(
    re.findall(r"-- name: (\w+)\n(.*?;)", (Path(__file__).parent / "invariants.sql").read_text(), re.DOTALL)
)


async def broken_invariants(database_url: str) -> dict[str, list[dict[str, object]]]:
    """Name → the rows that break it (ten at most), for the invariants that do not hold."""
    connection = await asyncpg.connect(database_url)
    try:
        found = {name: await connection.fetch(statement) for name, statement in STATEMENTS.items()}
    finally:
        await connection.close()
    return {name: [dict(row) for row in rows[:10]] for name, rows in found.items() if rows}
