"""The latest part of all timelines, in pages, for a bus that has lost what it carried."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from penstock.contracts.timeline import Kind, TimelineEvent
from penstock.contracts.value import Value
from penstock.contracts.wire import raw
from penstock.telemetry.operations import measured

# No index leads to it, and none is worth its price: it is read when a bus was lost.
_EVENTS = """
select e.run_id, e.seq, e.at, e.kind, e.node, e.attempt, e.data, r.project, r.workflow, r.traceparent
from run r join run_event e on e.run_id = r.id
where r.changed_at > now() - $1::interval and e.at > now() - $1::interval
  and e.seq <= r.published and (e.run_id, e.seq) > ($2, $3)
order by e.run_id, e.seq
limit $4
"""


class Happened(Value, frozen=True):
    """An event with what its message says of its run."""

    event: TimelineEvent
    project: str
    workflow: str
    traceparent: str | None


@measured
async def published_events(
    pool: asyncpg.Pool, *, age_max: timedelta, after: tuple[UUID, int], rows_max: int
) -> Sequence[Happened]:
    """What was put on the bus lately, by run and number; `after` is the last one of the page before."""
    records = await pool.fetch(_EVENTS, age_max, *after, rows_max)
    return [_happened(record) for record in records]


def _happened(record: asyncpg.Record) -> Happened:
    event = TimelineEvent(
        run=record["run_id"],
        seq=record["seq"],
        at=record["at"],
        kind=Kind(record["kind"]),
        node=record["node"],
        attempt=record["attempt"],
        data=raw(record["data"].encode()),
    )
    return Happened(event, record["project"], record["workflow"], record["traceparent"])
