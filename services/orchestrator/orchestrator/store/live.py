"""What live views read: a run's head with what follows in its timeline, and how far many runs are."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from penstock.contracts.timeline import Kind, TimelineEvent
from penstock.contracts.value import Value
from penstock.contracts.wire import raw

_HEAD = """
select project, workflow, traceparent, version, ended_at is not null as ended from run where id = $1
"""

_EVENTS = """
select seq, at, kind, node, attempt, data from run_event where run_id = $1 and seq > $2 order by seq limit $3
"""

_VERSIONS = "select id, version from run where id = any($1::uuid[])"


class TimelineHead(Value, frozen=True):
    """What every event of a run says of its run, and how far it is."""

    project: str
    workflow: str
    traceparent: str | None
    version: int
    ended: bool


async def timeline_head(pool: asyncpg.Pool, run: UUID) -> TimelineHead | None:
    row = await pool.fetchrow(_HEAD, run)
    return None if row is None else TimelineHead(**dict(row))


async def events_after(pool: asyncpg.Pool, run: UUID, *, after: int, limit: int) -> tuple[TimelineEvent, ...]:
    """The next events beyond number `after`, in order."""
    rows = await pool.fetch(_EVENTS, run, after, limit)
    return tuple(
        TimelineEvent(
            run=run,
            seq=row["seq"],
            at=row["at"],
            kind=Kind(row["kind"]),
            node=row["node"],
            attempt=row["attempt"],
            data=raw(row["data"].encode()),
        )
        for row in rows
    )


async def run_versions(pool: asyncpg.Pool, runs: Iterable[UUID]) -> dict[UUID, int]:
    """The last event of each run."""
    return {row["id"]: row["version"] for row in await pool.fetch(_VERSIONS, list(runs))}
