"""Events from other systems: kept once, offered to what waits for them, forgotten in time."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta

import asyncpg

from penstock.contracts.inbound import InboundEvent, project_and_type_of
from penstock.contracts.value import replace
from penstock.telemetry.operations import measured

UNOFFERED_ROWS_MAX = 100  # read at once: an event may have 240 KiB
LOOKED_AT_ROWS_MAX = 100  # a node looks at one event after another, and mostly takes one of the first
FORGOTTEN_ROWS_MAX = 5_000  # deleted in one statement; its locks are held for about 20 ms
UNOFFERED_FOR = timedelta(seconds=2)  # then whoever took it has died, or lost the database meanwhile

# Numbered in the order they came, inserted in the order of their keys: two orchestrators that are sent the
# same events in another order wait for each other's keys, and must not do so in a circle.
_KEEP = """
with sent as materialized (
  select nextval('inbound_event_seq') as seq, e.*
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[])
    as e (project, source, id, type, subject, time, data, attributes)
)
insert into inbound_event (seq, project, source, id, type, subject, time, data, attributes)
select seq, project, source, id, type, subject, time, data::json, attributes::json
from sent order by project, source, id, seq
on conflict on constraint inbound_event_once do nothing
returning seq, project, source, id, received_at
"""

_MARK_OFFERED = "update inbound_event set offered = true where seq = any($1::bigint[]) and not offered"

_EVENT = "seq, project, source, id, type, subject, time, data, attributes, received_at"

_UNOFFERED = f"""
select {_EVENT} from inbound_event
where not offered and received_at < now() - $1::interval
order by seq limit $2
"""

_SINCE = f"""
select {_EVENT} from inbound_event
where project = $1 and type = $2 and received_at >= $3::timestamptz
order by received_at, seq limit $4
"""

_AFTER = f"""
select {_EVENT} from inbound_event
where project = $1 and type = $2 and (received_at, seq) > ($3::timestamptz, $4::bigint)
order by received_at, seq limit $5
"""

# The oldest are the ones with the smallest numbers, near enough: no further index is needed to find them.
_FORGET = """
delete from inbound_event where seq in (
  select seq from (select seq, received_at from inbound_event order by seq limit $2) oldest
  where received_at < now() - $1::interval
)
"""


@measured
async def keep_events(pool: asyncpg.Pool, events: Sequence[InboundEvent]) -> list[InboundEvent]:
    """Keep those whose (project, source, id) is new; returns these in order of arrival, numbered and dated."""
    rows = await pool.fetch(_KEEP, *_columns(events))
    first = {event.key: event for event in reversed(events)}
    kept = [(first[(row["project"], row["source"], row["id"])], row) for row in rows]
    dated = (replace(event, seq=row["seq"], received_at=row["received_at"]) for event, row in kept)
    return sorted(dated, key=lambda event: event.seq)


@measured
async def mark_offered(pool: asyncpg.Pool, seqs: Iterable[int]) -> None:
    """Whatever waited for these events has seen them."""
    await pool.execute(_MARK_OFFERED, list(seqs))


@measured
async def unoffered_events(pool: asyncpg.Pool) -> list[InboundEvent]:
    """Events that were kept and then left lying, oldest first."""
    return [_event(row) for row in await pool.fetch(_UNOFFERED, UNOFFERED_FOR, UNOFFERED_ROWS_MAX)]


async def events_since(
    pool: asyncpg.Pool, *, topic: str, since: datetime
) -> AsyncIterator[list[InboundEvent]]:
    """Lists of a topic's events that were received since that moment, oldest first."""
    project, type_ = project_and_type_of(topic)
    rows = await pool.fetch(_SINCE, project, type_, since, LOOKED_AT_ROWS_MAX)
    while rows:
        yield [_event(row) for row in rows]
        if len(rows) < LOOKED_AT_ROWS_MAX:
            return
        last = rows[-1]
        rows = await pool.fetch(_AFTER, project, type_, last["received_at"], last["seq"], LOOKED_AT_ROWS_MAX)


@measured
async def forget_events(pool: asyncpg.Pool, *, older_than: timedelta) -> int:
    """Delete the oldest of those that were received longer ago; returns how many."""
    status = await pool.execute(_FORGET, older_than, FORGOTTEN_ROWS_MAX)
    return int(status.rpartition(" ")[2])


def _columns(events: Sequence[InboundEvent]) -> list[list[str | datetime | None]]:
    return [
        [event.project for event in events],
        [event.source for event in events],
        [event.id for event in events],
        [event.type for event in events],
        [event.subject for event in events],
        [event.time for event in events],
        [event.data.decode() for event in events],
        [event.attributes.decode() for event in events],
    ]


def _event(row: asyncpg.Record) -> InboundEvent:
    fields = dict(row)
    return InboundEvent(
        **{**fields, "data": fields["data"].encode(), "attributes": fields["attributes"].encode()}
    )
