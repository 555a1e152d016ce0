"""Outputs that nodes with `cache` share: kept under the SHA-256 of their key, until their time is over."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from orchestrator.domain.decision import KeepOutput
from orchestrator.domain.run import Run
from penstock.telemetry.operations import measured

_FIND = """
select output, run_id from cached_output where project = $1 and agent = $2 and key = $3 and expires_at > now()
"""

_KEEP = """
insert into cached_output (project, agent, key, output, run_id, node, expires_at)
values ($1, $2, $3, $4::json, $5, $6, now() + $7::interval)
on conflict (project, agent, key) do update set
  output = excluded.output, run_id = excluded.run_id, node = excluded.node,
  kept_at = now(), expires_at = excluded.expires_at
"""

_FORGET = """
delete from cached_output where ctid in (
  select ctid from cached_output where expires_at <= now() limit $1
)
"""


@measured
async def cached_output(
    pool: asyncpg.Pool, project: str, agent: str, key: str
) -> tuple[bytes | None, UUID | None]:
    """(the output as JSON, the run that put it there), or two None."""
    row = await pool.fetchrow(_FIND, project, agent, key)
    return (None, None) if row is None else (row["output"].encode(), row["run_id"])


@measured
async def keep_output(pool: asyncpg.Pool, run: Run, order: KeepOutput) -> None:
    output, ttl = order.output.decode(), timedelta(seconds=order.ttl_s)
    await pool.execute(_KEEP, run.project, order.agent, order.key, output, run.id, order.node, ttl)


@measured
async def forget_expired(pool: asyncpg.Pool, *, rows_max: int) -> None:
    await pool.execute(_FORGET, rows_max)
