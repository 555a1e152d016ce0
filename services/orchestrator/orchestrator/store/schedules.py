"""What fires schedules: take those with work, write their ticks down once, note what became of each.

In the order of life: `take`, `advance`, `undecided`, `open_runs`, `note`, `give_back`.
A tick is written before its run is started, so an orchestrator that dies in between leaves a row that tells.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value
from penstock.contracts.workflow import CatchUp, Overlap
from penstock.telemetry.operations import measured

TAKEN = timedelta(seconds=10)  # longer than a few starts take; then another orchestrator goes on
TAKEN_ROWS_MAX = 20  # at once: they share the hot statements' connections
TICKS_KEPT = timedelta(days=60)  # twice as long as a run may take
ASKED_AGE = timedelta(seconds=10)  # whoever asked for a run has had an answer by then, or its server died

# Only the schedule's row is locked, and for this statement only. Nobody waits for it: skip locked.
_TAKE = """
with work as (
  select project, workflow, name from schedule where next_at <= now() and not paused
  union
  select project, workflow, name from schedule_tick where outcome in ('due', 'queued')
),
free as materialized (
  select s.project, s.workflow, s.name
  from work
  join schedule s using (project, workflow, name)
  join workflow w on w.project = s.project and w.name = s.workflow
  where w.active and not s.paused and (s.taken_until is null or s.taken_until <= now())
    and s.taken_by is distinct from $3
  order by s.next_at
  limit $1
  for update of s skip locked
)
update schedule s set taken_until = now() + $2::interval, taken_by = $3
from free f
where s.project = f.project and s.workflow = f.workflow and s.name = f.name
returning s.project, s.workflow, s.name, s.workflow_version, s.cron, s.timezone, s.overlap, s.catch_up,
  s.input, s.next_at, now() as now
"""

# `next_at` is the fence: who has read another one writes nothing, neither ticks nor the next moment.
_ADVANCE = """
with moved as (
  update schedule set next_at = $6, last_tick = coalesce($7, last_tick)
  where project = $1 and workflow = $2 and name = $3 and taken_by = $4 and next_at = $5
  returning 1
)
insert into schedule_tick (project, workflow, name, moment, outcome, reason)
select $1, $2, $3, t.moment, t.outcome, t.reason
from unnest($8::timestamptz[], $9::text[], $10::text[]) as t (moment, outcome, reason)
where exists (select from moved)
on conflict do nothing
"""

_UNDECIDED = """
select moment, outcome, reason, by from schedule_tick
where project = $1 and workflow = $2 and name = $3 and outcome in ('due', 'queued')
  and (by is null or at < now() - $4::interval)
order by moment
"""

_CLOSE = """
update schedule_tick t set open = false
where t.project = $1 and t.workflow = $2 and t.name = $3 and t.open
  and not exists (select from run r where r.id = t.run_id and r.ended_at is null)
"""

_OPEN = """
select run_id from schedule_tick
where project = $1 and workflow = $2 and name = $3 and open
order by moment
"""

_NOTE = """
update schedule_tick set outcome = $5, run_id = $6, open = $7, reason = $8, at = now()
where project = $1 and workflow = $2 and name = $3 and moment = $4 and outcome in ('due', 'queued')
  and (outcome, reason) is distinct from ($5, $8)
"""

_GIVE_BACK = """
update schedule set taken_until = null
where project = $1 and workflow = $2 and name = $3 and taken_by = $4
"""

_FORGET = """
delete from schedule_tick
where project = $1 and workflow = $2 and name = $3 and moment < now() - $4::interval
  and outcome not in ('due', 'queued') and not open
"""

_ASK = """
insert into schedule_tick (project, workflow, name, moment, outcome, by)
select project, workflow, name, clock_timestamp(), 'due', $4
from schedule where project = $1 and workflow = $2 and name = $3
returning moment
"""


class Key(Value, frozen=True):
    """Which schedule."""

    project: str
    workflow: str
    name: str

    @property
    def values(self) -> tuple[str, str, str]:
        return self.project, self.workflow, self.name


class Taken(Value, frozen=True):
    """A schedule that is ours until `TAKEN` is over. `now` is the database's clock."""

    key: Key
    by: UUID
    version: int
    cron: str
    timezone: str
    overlap: Overlap
    catch_up: CatchUp
    input: bytes | None
    next_at: datetime
    now: datetime


class TickWrite(Value, frozen=True):
    """A tick that has come."""

    moment: datetime
    outcome: str
    reason: str | None = None


class Undecided(Value, frozen=True):
    """`by`: who asked for it; None: the schedule itself."""

    moment: datetime
    outcome: str
    reason: str | None
    by: str | None


@measured
async def take(pool: asyncpg.Pool, *, by: UUID) -> list[Taken]:
    """Schedules with something to do that nobody else works on; each once for each `by`."""
    rows = await pool.fetch(_TAKE, TAKEN_ROWS_MAX, TAKEN, by)
    return [_taken(row, by) for row in rows]


@measured
async def advance(pool: asyncpg.Pool, taken: Taken, ticks: Sequence[TickWrite], *, next_at: datetime) -> None:
    """Write down what has come due, and when the schedule is due again: both or neither."""
    await pool.execute(
        _ADVANCE,
        *taken.key.values,
        taken.by,
        taken.next_at,
        next_at,
        ticks[-1].moment if ticks else None,
        [tick.moment for tick in ticks],
        [tick.outcome for tick in ticks],
        [tick.reason for tick in ticks],
    )
    await pool.execute(_FORGET, *taken.key.values, TICKS_KEPT)


@measured
async def undecided(pool: asyncpg.Pool, key: Key) -> list[Undecided]:
    """Ticks that have neither a run nor a reason for none, earliest first; none that was asked for just now."""
    rows = await pool.fetch(_UNDECIDED, *key.values, ASKED_AGE)
    return [Undecided(**dict(row)) for row in rows]


@measured
async def open_runs(pool: asyncpg.Pool, key: Key) -> tuple[UUID, ...]:
    """Runs of this schedule that have not ended, of the earliest tick first."""
    await pool.execute(_CLOSE, *key.values)
    return tuple(row["run_id"] for row in await pool.fetch(_OPEN, *key.values))


@measured
async def note(
    pool: asyncpg.Pool,
    key: Key,
    moment: datetime,
    outcome: str,
    *,
    run: UUID | None = None,
    is_open: bool = False,
    reason: str | None = None,
) -> None:
    """What became of a tick. One that is decided already stays as it is."""
    await pool.execute(_NOTE, *key.values, moment, outcome, run, is_open, reason)


@measured
async def give_back(pool: asyncpg.Pool, taken: Taken) -> None:
    await pool.execute(_GIVE_BACK, *taken.key.values, taken.by)


@measured
async def ask(pool: asyncpg.Pool, key: Key, *, by: str) -> datetime | None:
    """A tick out of turn; its moment, or None when there is no such schedule."""
    moment: datetime | None = await pool.fetchval(_ASK, *key.values, by)
    return moment


def _taken(row: asyncpg.Record, by: UUID) -> Taken:
    return Taken(
        key=Key(row["project"], row["workflow"], row["name"]),
        by=by,
        version=row["workflow_version"],
        cron=row["cron"],
        timezone=row["timezone"],
        overlap=Overlap(row["overlap"]),
        catch_up=CatchUp(row["catch_up"]),
        input=None if row["input"] is None else row["input"].encode(),
        next_at=row["next_at"],
        now=row["now"],
    )
