"""Calls of language models: begun, ended, lost, and given again to later attempts."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from orchestrator.store.budget_accounts import lock_accounts
from penstock.contracts.model_messages import ModelCallBegin, ModelCallEnd
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.telemetry.operations import measured

LOST_ROWS_MAX = 100  # of one transaction; the next sweep goes on
ERROR_CHARS_MAX = 1_000

_HOLDER = """
select r.project, r.workflow, r.workflow_version, n.iteration
from node n join run r on r.id = n.run_id
where n.run_id = $1 and n.name = $2 and n.attempt = $3 and n.token = $4 and n.state = 'running'
"""

_KNOWN = """
select c.state, coalesce(c.reply, r.reply)::text as reply
from model_call c left join model_call r on r.call = c.replay_of
where c.call = $1
"""

_EARLIER = """
select call, reply::text as reply from model_call
where run_id = $1 and node = $2 and fingerprint = $3 and occurrence = $4
  and iteration = $5 and attempt <= $6 and state = 'done'
order by attempt desc, began_at desc limit 1
"""

_INSERT = """
insert into model_call (
  call, run_id, node, attempt, iteration, project, workflow, workflow_version, agent, operation, model,
  fingerprint, occurrence, state, replay_of, accounts, tokens_reserved, dollars_reserved, ended_at
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text, $15, $16, $17, $18::float8::numeric,
  case when $14::text = 'replayed' then now() end
)
on conflict (call) do nothing
returning 1
"""

_COUNT_REPLAY = "update model_call set replayed = replayed + 1 where call = $1"

_OPEN = """
select call, project, accounts from model_call
where call = $1 and state in ('open', 'lost') for update
"""

_IS_KNOWN = "select 1 from model_call where call = $1"

# A call whose attempt is over is one that nobody is about to end: the holder of an attempt has its token.
_LOST = """
select c.call, c.project, c.accounts from model_call c
where c.state = 'open' and c.began_at < now() - interval '10 seconds' and not exists (
  select from node n
  where n.run_id = c.run_id and n.name = c.node and n.attempt = c.attempt and n.token is not null
)
order by c.call limit $1 for update of c skip locked
"""

# What an unknown cost is charged with is what was reserved for it.
_END = """
with before as (
  select call, state, accounts, project, tokens_reserved, coalesce(dollars_reserved, 0) as dollars_reserved,
    tokens_charged, dollars_charged
  from model_call where call = $1
),
ended as (
  update model_call c set
    state = $2::text,
    provider = $3,
    model_answered = $4,
    tokens_in = $5::bigint,
    tokens_out = $6::bigint,
    cost_dollars = $7::float8::numeric,
    seconds = $8::float8,
    error = $9::text,
    reply = $10::text::json,
    tokens_charged = case when $2::text = 'lost' then c.tokens_reserved else $5::bigint + $6::bigint end,
    dollars_charged = case when $11::bool then coalesce(c.dollars_reserved, 0) else $7::float8::numeric end,
    ended_at = now()
  from before b where c.call = b.call
  returning c.tokens_charged, c.dollars_charged
)
update budget_account a set
  tokens_spent = a.tokens_spent + e.tokens_charged - b.tokens_charged,
  dollars_spent = a.dollars_spent + e.dollars_charged - b.dollars_charged,
  tokens_reserved = a.tokens_reserved - case when b.state = 'open' then b.tokens_reserved else 0 end,
  dollars_reserved = a.dollars_reserved - case when b.state = 'open' then b.dollars_reserved else 0 end,
  unpriced = a.unpriced + $11::bool::int - (b.state = 'lost')::int
from before b, ended e
where a.project = b.project and a.key = any(b.accounts)
"""


class Holder(Value, frozen=True):
    """The run and the unit whose attempt the token holds."""

    project: str
    workflow: str
    workflow_version: int
    iteration: int


class KnownCall(Value, frozen=True):
    state: str
    reply: bytes | None


class EarlierCall(Value, frozen=True):
    call: UUID
    reply: bytes


@measured
async def holder_of(pool: asyncpg.Pool, begin: ModelCallBegin) -> Holder | None:
    """None when the token does not hold the attempt."""
    row = await pool.fetchrow(_HOLDER, begin.run, begin.node, begin.attempt, begin.token)
    return None if row is None else Holder(**dict(row))


@measured
async def known_call(pool: asyncpg.Pool, call: UUID) -> KnownCall | None:
    """A call that was begun before, and the reply that it or the one that it repeats has got."""
    row = await pool.fetchrow(_KNOWN, call)
    return None if row is None else KnownCall(row["state"], row["reply"] and row["reply"].encode())


@measured
async def earlier_call(pool: asyncpg.Pool, begin: ModelCallBegin, *, iteration: int) -> EarlierCall | None:
    """The same call of this node that an attempt of this iteration has made and that was answered."""
    row = await pool.fetchrow(
        _EARLIER, begin.run, begin.node, begin.fingerprint, begin.occurrence, iteration, begin.attempt
    )
    return None if row is None else EarlierCall(row["call"], row["reply"].encode())


@measured
async def insert_call(
    connection: asyncpg.Connection,
    begin: ModelCallBegin,
    holder: Holder,
    *,
    agent: str,
    accounts: Sequence[str] = (),
    replay_of: UUID | None = None,
) -> bool:
    """False when it was begun before. Whoever inserts the same call at the same time waits for this transaction."""
    if replay_of is not None:
        await connection.execute(_COUNT_REPLAY, replay_of)
    inserted = await connection.fetchval(
        _INSERT,
        begin.call,
        begin.run,
        begin.node,
        begin.attempt,
        holder.iteration,
        holder.project,
        holder.workflow,
        holder.workflow_version,
        agent,
        begin.operation[:100],
        begin.model,
        begin.fingerprint,
        begin.occurrence,
        "open" if replay_of is None else "replayed",
        replay_of,
        list(accounts),
        begin.tokens_most if replay_of is None else 0,
        begin.dollars_most if replay_of is None else None,
    )
    return inserted is not None


@measured
async def end_call(pool: asyncpg.Pool, end: ModelCallEnd) -> bool:
    """Once: give back what was reserved and charge what was used. False when no such call was begun."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(_OPEN, end.call)
        if row is None:
            return await connection.fetchval(_IS_KNOWN, end.call) is not None
        await lock_accounts(connection, row["project"], row["accounts"])
        await _settle(connection, end)
    return True


@measured
async def lose_calls(pool: asyncpg.Pool) -> int:
    """Charge what was reserved for calls whose attempts are over; an end that comes later puts it right."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(_LOST, LOST_ROWS_MAX)
        for project in sorted({row["project"] for row in rows}):
            keys = {key for row in rows if row["project"] == project for key in row["accounts"]}
            await lock_accounts(connection, project, sorted(keys))
        for row in rows:
            await connection.execute(
                _END, row["call"], "lost", None, None, 0, 0, None, None, None, None, True
            )
    return len(rows)


async def _settle(connection: asyncpg.Connection, end: ModelCallEnd) -> None:
    reply = end.reply
    used = reply or end
    cost, tokens = used.cost_dollars, used.tokens_in + used.tokens_out
    # A call that failed and used nothing has cost nothing; anything else without a price has cost nobody knows what.
    is_unknown = cost is None and (reply is not None or tokens > 0)
    await connection.execute(
        _END,
        end.call,
        "failed" if reply is None else "done",
        reply and reply.provider,
        reply and reply.model,
        used.tokens_in,
        used.tokens_out,
        cost if cost is not None or is_unknown else 0.0,
        end.seconds,
        None if reply is not None else (end.error or "unknown").replace("\x00", "")[:ERROR_CHARS_MAX],
        None if reply is None else encode(reply).decode(),
        is_unknown,
    )
