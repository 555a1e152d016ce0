"""Breakers: seen at a glance, locked, written, and those whom they held back woken.

Lock order of every transaction: breakers in the order of (project, key), then runs in id order, then nodes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from orchestrator.domain.breaker import Breaker, BreakerState, Permit, Slice
from orchestrator.store.save import rows_of
from penstock.contracts.value import Value
from penstock.contracts.wire import decode, encode
from penstock.contracts.workflow import BreakerPolicy
from penstock.telemetry.operations import measured

Key = tuple[str, str]
"""Project and key: sorted, the order of locks."""

_GLANCE = """
select b.project, b.key, b.state = 'closed' and b.outcomes::text = '[]' as calm
from unnest($1::text[], $2::text[]) as k (project, key)
join breaker b on b.project = k.project and b.key = k.key
"""

_ADD = """
insert into breaker (project, key)
select k.project, k.key from unnest($1::text[], $2::text[]) as k (project, key)
on conflict do nothing
"""

_LOCK = """
select b.project, b.key, b.state, b.policy, b.outcomes, b.last_failure, b.opened_at, b.open_until, b.permits,
       b.recovered, b.refusals, clock_timestamp() as now
from unnest($1::text[], $2::text[]) as k (project, key)
join breaker b on b.project = k.project and b.key = k.key
order by b.project, b.key
for update of b
"""

_SAVE = """
with told as (
  insert into breaker_event (project, key, from_state, to_state, by, reason)
  select e.project, e.key, e.from_state, e.to_state, e.by, e.reason
  from unnest($2::breaker_event_write[]) as e
)
update breaker b set
  state = w.state,
  policy = w.policy::json,
  outcomes = w.outcomes::json,
  last_failure = w.last_failure,
  opened_at = w.opened_at,
  open_until = w.open_until,
  permits = w.permits::json,
  recovered = w.recovered,
  refusals = w.refusals,
  changed_at = case when e.by is null then b.changed_at else now() end,
  changed_by = coalesce(e.by, b.changed_by)
from unnest($1::breaker_write[]) as w
left join lateral (
  select x.by from unnest($2::breaker_event_write[]) as x where x.project = w.project and x.key = w.key limit 1
) as e on true
where b.project = w.project and b.key = w.key
"""

# The longest waiting first, for ids of runs grow with time. A node that somebody else holds is being moved
# anyway. Only timers change, as with renewals, so the runs need no lock; after the save, where the order of locks
# has come to nodes.
_WAKE = """
with due as (
  select count(*) as woken
  from node n join run r on r.id = n.run_id
  where n.state = 'suspended' and n.detail ->> 'key' = $2 and r.project = $1 and n.wake_at <= now()
),
held as materialized (
  select n.run_id, n.name
  from node n join run r on r.id = n.run_id
  where n.state = 'suspended' and n.detail ->> 'key' = $2 and r.project = $1 and n.wake_at > now()
  order by n.run_id, n.name
  limit greatest($3 - (select woken from due), 0)
  for update of n skip locked
),
placed as (
  select h.run_id, h.name, row_number() over (order by h.run_id, h.name) - 1 as place from held h
)
update node n set
  wake_at = least(n.wake_at, now() + floor(log(2.0, p.place / $4::numeric + 1)) * interval '1 second')
from placed p
where n.run_id = p.run_id and n.name = p.name
"""

_KNOWN = "select key from breaker where project = $1 order by key limit $2"

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # there is nothing to compare it with

KEYS_SUGGESTED_FROM_MAX = 2_000
WOKEN_MAX = 10_000  # of one breaker that closes; beyond, each wakes by its own timer


class BreakerWrite(Value, frozen=True):
    """Type breaker_write."""

    project: str
    key: str
    state: str
    policy: str | None
    outcomes: str
    last_failure: str
    opened_at: datetime | None
    open_until: datetime | None
    permits: str
    recovered: int
    refusals: int


class BreakerEventWrite(Value, frozen=True):
    """Type breaker_event_write: a change of state, or of the policy."""

    project: str
    key: str
    from_state: str
    to_state: str
    by: str
    reason: str


class Locked(Value, frozen=True):
    """Breakers that nobody else changes until the transaction ends. `now` is the database's."""

    now: datetime
    breakers: dict[Key, Breaker]
    default_policy: frozenset[Key]  # those that have no policy of their own


@measured
async def glance(pool: asyncpg.Pool, keys: Sequence[Key]) -> dict[Key, bool]:
    """Of the breakers that exist: whether it is closed and knows of no failure."""
    rows = await pool.fetch(_GLANCE, *_columns(keys))
    return {(row["project"], row["key"]): row["calm"] for row in rows}


@measured
async def add_missing(pool: asyncpg.Pool, keys: Sequence[Key]) -> None:
    """In a transaction of its own: added among locks, it could wait for one that waits for us."""
    await pool.execute(_ADD, *_columns(keys))


@measured
async def known_keys(connection: asyncpg.Connection, project: str) -> tuple[str, ...]:
    """Some of the project's keys, to find the nearest to a wrong one."""
    return tuple(row["key"] for row in await connection.fetch(_KNOWN, project, KEYS_SUGGESTED_FROM_MAX))


@measured
async def lock(connection: asyncpg.Connection, keys: Sequence[Key]) -> Locked:
    """The breakers among `keys` that exist, until the transaction ends."""
    rows = await connection.fetch(_LOCK, *_columns(keys))
    return Locked(
        now=max((row["now"] for row in rows), default=_NEVER),
        breakers={(row["project"], row["key"]): stored_breaker(row) for row in rows},
        default_policy=frozenset((row["project"], row["key"]) for row in rows if row["policy"] is None),
    )


@measured
async def save_breakers(
    connection: asyncpg.Connection, breakers: Sequence[BreakerWrite], events: Sequence[BreakerEventWrite]
) -> None:
    """Write breakers that this transaction has locked, and what the audit has to tell of them."""
    await connection.execute(_SAVE, rows_of(breakers), rows_of(events))


@measured
async def wake(connection: asyncpg.Connection, key: Key, *, count: int, step: int) -> None:
    """Have held nodes ask again until `count` do: `step` now, twice as many a second later, and so on."""
    await connection.execute(_WAKE, *key, count, step)


def breaker_write(key: Key, breaker: Breaker, *, default_policy: bool) -> BreakerWrite:
    return BreakerWrite(
        project=key[0],
        key=key[1],
        state=breaker.state,
        policy=None if default_policy else encode(breaker.policy).decode(),
        outcomes=encode(breaker.outcomes).decode(),
        last_failure=breaker.last_failure,
        opened_at=breaker.opened_at,
        open_until=breaker.open_until,
        permits=encode(breaker.permits).decode(),
        recovered=breaker.recovered,
        refusals=breaker.refusals,
    )


def stored_breaker(row: Any) -> Breaker:
    """The breaker that a row of `breaker` holds, whichever driver read it."""
    return Breaker(
        policy=BreakerPolicy() if row["policy"] is None else decode(row["policy"].encode(), BreakerPolicy),
        state=BreakerState(row["state"]),
        outcomes=decode(row["outcomes"].encode(), tuple[Slice, ...]),
        last_failure=row["last_failure"],
        opened_at=row["opened_at"],
        open_until=row["open_until"],
        permits=decode(row["permits"].encode(), tuple[Permit, ...]),
        recovered=row["recovered"],
        refusals=row["refusals"],
    )


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str]]:
    return [project for project, _ in keys], [key for _, key in keys]
