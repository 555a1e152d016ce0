"""What the trace of a run is made of: a phase of its timeline, and the trace of the run that it is a fork of."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg

from penstock.contracts.timeline import Kind, TimelineEvent
from penstock.contracts.value import Value
from penstock.contracts.wire import raw

EVENTS_PER_PAGE = 200  # some milliseconds of work: other runs are waiting for the loop

_PHASE = """
select count(*) as number, coalesce(max(seq), 0) as after
from run_event where run_id = $1 and seq < $2 and kind = any($3::text[])
"""

_EVENTS = """
select run_id, seq, at, kind, node, attempt, data
from run_event where run_id = $1 and seq > $2 and seq <= $3
order by seq limit $4
"""


class Phase(Value, frozen=True):
    """What happened after event `after`, when the run had ended `number` times."""

    number: int
    after: int


async def phase_of(pool: asyncpg.Pool, run: UUID, *, end: int, ends: tuple[Kind, ...]) -> Phase:
    """The phase that ended with event `end`."""
    row = await pool.fetchrow(_PHASE, run, end, [str(kind) for kind in ends])
    return Phase(row["number"], row["after"])


async def phase_pages(
    pool: asyncpg.Pool, run: UUID, *, after: int, end: int
) -> AsyncIterator[list[TimelineEvent]]:
    """The facts after `after` up to `end`, in order, in lists."""
    while after < end:
        rows = await pool.fetch(_EVENTS, run, after, end, EVENTS_PER_PAGE)
        if not rows:
            return  # retention was faster
        yield [_event(row) for row in rows]
        after = rows[-1]["seq"]


async def traceparent_of_run(pool: asyncpg.Pool, run: UUID) -> str | None:
    found: str | None = await pool.fetchval("select traceparent from run where id = $1", run)
    return found


def _event(row: asyncpg.Record) -> TimelineEvent:
    return TimelineEvent(
        run=row["run_id"],
        seq=row["seq"],
        at=row["at"],
        kind=Kind(row["kind"]),
        node=row["node"],
        attempt=row["attempt"],
        data=raw(row["data"].encode()),
    )
