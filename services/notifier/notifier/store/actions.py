"""Actions in PostgreSQL: `ActionStore`. What is live is unique by an index; who is at it has it by `try_at`."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from notifier.alerts.action import Action, Outcome
from notifier.alerts.source import Verb
from notifier.store.operation import operation

_BEGIN = """
insert into alert_action (project, verb, target, source, alert, fingerprint, starts_at)
select distinct on (project, verb, target) project, verb, target, source, alert, fingerprint, starts_at
from alert_wish w
where resolved_at is null and due_at <= now() and not exists (
  select from alert_action a
  where (a.project, a.verb, a.target) = (w.project, w.verb, w.target) and a.state <> 'ended'
)
order by project, verb, target, due_at
on conflict (project, verb, target) where state <> 'ended' do nothing
"""

# One that somebody is at this moment (`try_at` in the future after a try) is left for the next look: undoing must
# not overtake doing. One that was never tried, or that changed nothing, has nothing to undo.
_RELEASE = """
with unwanted as (
  select id, (acted or (state = 'doing' and tries > 0)) as touched from alert_action a
  where (state = 'done' or (state = 'doing' and try_at <= now())) and not exists (
    select from alert_wish w
    where (w.project, w.verb, w.target) = (a.project, a.verb, a.target)
      and (w.resolved_at is null or w.resolved_at + w.hold_resolved > now())
  )
  for update skip locked
)
update alert_action a set
  state = case when touched then 'undoing' else 'ended' end,
  ended_at = case when not touched then now() end,
  outcome = case when state = 'doing' and not touched then 'dropped' else outcome end,
  tries = case when touched then 0 else tries end,
  try_at = now()
from unwanted where a.id = unwanted.id
"""

_CLAIM = """
update alert_action a set tries = tries + 1, try_at = now() + $2
from (
  select id from alert_action where state in ('doing', 'undoing') and try_at <= now()
  order by try_at limit $1 for update skip locked
) due
where a.id = due.id
returning a.id, a.project, a.verb, a.target, a.source, a.alert, a.state = 'undoing' as undo, a.tries
"""

# Fenced by the try: one that took too long has no say any more.
_RECORD_DONE = """
update alert_action set state = 'done', done_at = now(), outcome = $3, detail = $4, acted = $5
where id = $1 and state = 'doing' and tries = $2
"""
_RECORD_UNDONE = """
update alert_action set state = 'ended', ended_at = now(), outcome = $3, detail = $4, acted = acted or $5
where id = $1 and state = 'undoing' and tries = $2
"""
_POSTPONE = "update alert_action set try_at = now() + $3, detail = $4 where id = $1 and tries = $2"


class Actions:
    """`ActionStore` over PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @operation
    async def order(self) -> None:
        await self._pool.execute(_RELEASE)
        await self._pool.execute(_BEGIN)

    @operation
    async def claim(self, *, limit: int, lease: timedelta) -> Sequence[Action]:
        rows = await self._pool.fetch(_CLAIM, limit, lease)
        return [Action(**{**dict(row), "verb": Verb(row["verb"])}) for row in rows]

    @operation
    async def record(self, action: Action, *, outcome: Outcome, detail: str, acted: bool) -> None:
        statement = _RECORD_UNDONE if action.undo else _RECORD_DONE
        await self._pool.execute(statement, action.id, action.tries, outcome, detail, acted)

    @operation
    async def postpone(self, action: Action, *, delay: timedelta, reason: str) -> None:
        await self._pool.execute(_POSTPONE, action.id, action.tries, delay, reason)
