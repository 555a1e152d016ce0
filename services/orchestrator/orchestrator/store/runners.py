"""The registry of runners, and what their agents saved: checkpoints, progress, log lines, dead letters."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from penstock.contracts.limits import LEASE
from penstock.contracts.messages import Hello, LogLines
from penstock.contracts.wire import encode
from penstock.telemetry.operations import measured

DEAD_LETTER_BYTES_MAX = 64 * 1024
RUNNER_ALIVE = LEASE  # a runner announces itself every 10 s; after a lease its work is given to others

_HELLO = """
insert into runner (id, pool, host, slots, tier, agents)
values ($1, $2, $3, $4, $5, $6::json)
on conflict (id) do update set
  pool = excluded.pool, host = excluded.host, slots = excluded.slots, tier = excluded.tier,
  agents = excluded.agents, seen_at = now(), left_at = case when $7 then now() end
"""

_OFFERED = """
select agents from runner
where pool = $1 and left_at is null and seen_at > now() - $2::interval
"""

_LOG = """
insert into node_log (run_id, node, attempt, line, at, stream, text)
select * from unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::timestamptz[], $6::text[], $7::text[])
on conflict do nothing
"""

_DEAD = """
insert into dead_letter (subject, reason, payload)
select * from unnest($1::text[], $2::text[], $3::bytea[])
"""


class _Offer(msgspec.Struct, frozen=True):
    """The little of an AgentOffer that is asked for often."""

    name: str
    error: str | None = None


_offers = msgspec.json.Decoder(tuple[_Offer, ...])


@measured
async def save_hello(pool: asyncpg.Pool, hello: Hello) -> None:
    """Note a runner, what it offers and that it lives (or leaves)."""
    await pool.execute(
        _HELLO,
        hello.runner,
        hello.pool,
        hello.host,
        hello.slots,
        hello.tier,
        encode(hello.agents).decode(),
        hello.leaving,
    )


@measured
async def offered_agents(pool: asyncpg.Pool, runner_pool: str) -> frozenset[str]:
    """What the living runners of a pool can run; what one of them could not load is not among it."""
    rows = await pool.fetch(_OFFERED, runner_pool, RUNNER_ALIVE)
    # Not taken apart by the database: its JSON functions refuse a text with \u0000, which a schema may have.
    offers = (offer for row in rows for offer in _offers.decode(row["agents"]))
    return frozenset(offer.name for offer in offers if offer.error is None)


@measured
async def save_log(pool: asyncpg.Pool, batches: Sequence[LogLines]) -> None:
    """Write log lines; a repeated line is written once. PostgreSQL's text cannot hold NUL."""
    rows: list[tuple[UUID, str, int, int, object, str, str]] = [
        (b.run, b.node, b.attempt, b.first + i, line.at, line.stream, line.text.replace("\x00", "�"))
        for b in batches
        for i, line in enumerate(b.lines)
    ]
    if rows:
        await pool.execute(_LOG, *(list(column) for column in zip(*rows, strict=True)))


@measured
async def save_dead_letters(pool: asyncpg.Pool, letters: Sequence[tuple[str, str, bytes]]) -> None:
    """Keep messages that nothing can be done with: (subject, reason, payload)."""
    if letters:
        subjects, reasons, payloads = zip(*letters, strict=True)
        cut = [payload[:DEAD_LETTER_BYTES_MAX] for payload in payloads]
        plain = [subject.replace("\x00", "�") for subject in subjects]
        await pool.execute(_DEAD, plain, [r.replace("\x00", "�") for r in reasons], cut)
