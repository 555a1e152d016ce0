"""Finding artifacts that nothing names: their SHA-256 stands in no input, output, checkpoint or definition.

What is named is read from the JSON as it is written, in pages of runs, when it is asked for: noting each use when
it happens would cost every start and every result. A run that starts meanwhile has a later id, so the last page
has it; what names an artifact for the first time has just stored it, and the grace protects that.
"""

from datetime import timedelta
from uuid import UUID

import asyncpg

from penstock.telemetry.operations import measured

CANDIDATES_MAX = 100_000  # one pass; each is held in memory with its size
RUNS_PER_PAGE = 200
DELETES_PER_STATEMENT = 1_000
DEFINITIONS_TIMEOUT_S = 300.0

# Every `json` column that may name an artifact; tests/engine/test_retention.py holds this to the schema.
NAMING = {
    "run": ("input", "output", "detail"),
    "node": ("input", "output", "previous", "answers", "detail"),
    "node_checkpoint": ("value",),
    "cached_output": ("output",),
    "workflow_version": ("source",),
    "schedule": ("input",),
    "inbound_event": ("data",),
    "event_reaction": ("input",),
    "model_call": ("reply",),
    "store": ("definition",),
    "store_row": ("value",),
    "store_change": ("before", "after"),
}
_PER_RUN = {
    "run": "id",
    "node": "run_id",
    "node_checkpoint": "run_id",
    "store_change": "run_id",
    "model_call": "run_id",
}

_CANDIDATES = """
select sha256, size_bytes from artifact
where stored_at < now() - $1::interval and sha256 > $2
order by sha256 limit $3
"""

PAGE = "select id from run where id > $1 order by id limit $2"

_HASHES = "select distinct hash[1] as sha256 from ({texts}) as written (text)" + (
    " cross join lateral regexp_matches(written.text, '[0-9a-f]{{64}}', 'g') as hash"
)

_DELETE = """
delete from artifact where sha256 = any($1::text[]) and stored_at < now() - $2::interval
returning sha256, size_bytes
"""

_FIRST = UUID(int=0)


def _texts(where: dict[str, str]) -> str:
    return " union all ".join(
        f"select {column}::text from {table} {condition}"
        for table, condition in where.items()
        for column in NAMING[table]
    )


_OF_RUNS = _HASHES.format(
    texts=_texts({table: f"where {column} = any($1::uuid[])" for table, column in _PER_RUN.items()})
)
_OF_THE_REST = _HASHES.format(texts=_texts(dict.fromkeys(NAMING.keys() - _PER_RUN.keys(), "")))


@measured
async def unnamed_artifacts(
    source: asyncpg.Pool | asyncpg.Connection, *, grace: timedelta, after: str = "", page: str = PAGE
) -> tuple[dict[str, int], str]:
    """SHA-256 → bytes of what nothing names, beyond `after`, and where to go on ("": from the beginning).

    `page` gives the ids of the runs that count, in order: those beyond $1, at most $2.
    """
    rows = await source.fetch(_CANDIDATES, grace, after, CANDIDATES_MAX)
    left: dict[str, int] = {row["sha256"]: row["size_bytes"] for row in rows}
    if left:
        _strike(left, await source.fetch(_OF_THE_REST, timeout=DEFINITIONS_TIMEOUT_S))
    last = _FIRST
    while left and (ids := [row["id"] for row in await source.fetch(page, last, RUNS_PER_PAGE)]):
        _strike(left, await source.fetch(_OF_RUNS, ids))
        last = ids[-1]
    return left, rows[-1]["sha256"] if len(rows) == CANDIDATES_MAX else ""


@measured
async def delete_artifacts(pool: asyncpg.Pool, sha256s: list[str], *, grace: timedelta) -> dict[str, int]:
    """Delete their rows, but for those that were stored again meanwhile; returns what was deleted."""
    deleted: dict[str, int] = {}
    for first in range(0, len(sha256s), DELETES_PER_STATEMENT):
        rows = await pool.fetch(_DELETE, sha256s[first : first + DELETES_PER_STATEMENT], grace)
        deleted |= {row["sha256"]: row["size_bytes"] for row in rows}
    return deleted


def _strike(left: dict[str, int], named: list[asyncpg.Record]) -> None:
    for row in named:
        left.pop(row["sha256"], None)
