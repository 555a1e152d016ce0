"""The timeline as outbox: which runs have events that are not on the bus, what they are, and what went out."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import asyncpg

from penstock.contracts.timeline import Kind, TimelineEvent
from penstock.contracts.wire import raw
from penstock.telemetry.operations import measured

UNPUBLISHED_AGE = timedelta(seconds=2)
UNPUBLISHED_RUNS_MAX = 100

_UNPUBLISHED = """
select id from run
where not settled and published < version and changed_at < now() - $1::interval
limit $2
"""

_EVENTS = """
select e.run_id, e.seq, e.at, e.kind, e.node, e.attempt, e.data
from run_event e join run r on r.id = e.run_id
where e.run_id = any($1::uuid[]) and e.seq > r.published
order by e.run_id, e.seq
"""

# Skips what a save holds at this moment: it will be marked with the next round. What another orchestrator has
# noted further counts as noted, or it would be asked for again and again.
_MARK = """
with asked as materialized (
  select a.id, a.published from unnest($1::uuid[], $2::bigint[]) as a (id, published)
),
marked as materialized (
  select r.id, a.published
  from asked a
  join run r on r.id = a.id
  where r.published <= a.published and not r.settled
  order by r.id
  for update of r skip locked
),
noted as (
  update run r set published = m.published, settled = r.ended_at is not null and m.published = r.version
  from marked m where r.id = m.id
  returning r.id, r.published
)
select id, published from noted
union all
select a.id, a.published from asked a left join run r on r.id = a.id
where r.id is null or r.published > a.published or r.settled
"""


@measured
async def unpublished_runs(pool: asyncpg.Pool) -> list[UUID]:
    """Runs whose last events have waited for the bus too long: their relay died, or the bus was away."""
    return [row["id"] for row in await pool.fetch(_UNPUBLISHED, UNPUBLISHED_AGE, UNPUBLISHED_RUNS_MAX)]


@measured
async def unpublished_events(pool: asyncpg.Pool, runs: list[UUID]) -> dict[UUID, list[TimelineEvent]]:
    """What these runs have not published yet, in order."""
    events: dict[UUID, list[TimelineEvent]] = {run: [] for run in runs}
    for row in await pool.fetch(_EVENTS, runs):
        events[row["run_id"]].append(
            TimelineEvent(
                run=row["run_id"],
                seq=row["seq"],
                at=row["at"],
                kind=Kind(row["kind"]),
                node=row["node"],
                attempt=row["attempt"],
                data=raw(row["data"].encode()),
            )
        )
    return events


@measured
async def mark_published(pool: asyncpg.Pool, published: Mapping[UUID, int]) -> dict[UUID, int]:
    """Note how far each run's timeline is on the bus; returns what was noted (a busy run waits its turn)."""
    rows = await pool.fetch(_MARK, list(published), list(published.values()))
    return {row["id"]: row["published"] for row in rows}
