"""Leases: renewing them, for one runner in one statement."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

# Renewals do not take the run's lock, so they order their node locks themselves; a deadlock with a save is
# possible in theory and answered by asking again, for a renewal changes nothing but a timer.
_RENEW = """
with mine as materialized (
  select n.run_id, n.name
  from unnest($1::uuid[]) as a (token)
  join node n on n.token = a.token
  where n.runner = $2 and n.state = 'running' and n.deadline_at > now()
  order by n.run_id, n.name
  for update of n
)
update node n set wake_at = least(now() + $3::interval, n.deadline_at)
from mine m
where n.run_id = m.run_id and n.name = m.name
returning n.token, (select r.state = 'cancelling' from run r where r.id = n.run_id) as cancel
"""

DEADLOCK_TRIES = 3


class Renewed(Value, frozen=True):
    held: tuple[UUID, ...]
    cancel: tuple[UUID, ...]


@measured
async def renew(pool: asyncpg.Pool, *, runner: str, tokens: Sequence[UUID], lease: timedelta) -> Renewed:
    """Extend the leases that `runner` still holds. Those in neither list of the answer are lost."""
    for _ in range(DEADLOCK_TRIES - 1):
        try:
            return await _renew(pool, runner, tokens, lease)
        except asyncpg.DeadlockDetectedError:
            continue
    return await _renew(pool, runner, tokens, lease)


async def _renew(pool: asyncpg.Pool, runner: str, tokens: Sequence[UUID], lease: timedelta) -> Renewed:
    rows = await pool.fetch(_RENEW, list(tokens), runner, lease)
    return Renewed(
        held=tuple(row["token"] for row in rows if not row["cancel"]),
        cancel=tuple(row["token"] for row in rows if row["cancel"]),
    )
