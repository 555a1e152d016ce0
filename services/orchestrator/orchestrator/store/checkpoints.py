"""What an attempt leaves for the next one, and how far it says it is; both fenced by the lease's token."""

import asyncpg

from penstock.contracts.messages import CheckpointLoad, CheckpointSave, Progress
from penstock.telemetry.operations import measured

_HOLDS = """
select 1 from node
where run_id = $1 and name = $2 and attempt = $3 and token = $4 and state = 'running'
"""

_SAVE = f"""
insert into node_checkpoint (run_id, node, attempt, value)
select $1, $2, $3, $5::json where exists ({_HOLDS})
on conflict (run_id, node) do update set attempt = excluded.attempt, value = excluded.value, saved_at = now()
returning 1
"""

_LOAD = f"""
select c.value
from (values (1)) as one
left join node_checkpoint c on c.run_id = $1 and c.node = $2
where exists ({_HOLDS})
"""

_PROGRESS = f"""
insert into node_progress (run_id, node, attempt, done, total, message)
select $1, $2, $3, $5, $6, $7 where exists ({_HOLDS})
on conflict (run_id, node) do update set
  attempt = excluded.attempt, done = excluded.done, total = excluded.total, message = excluded.message, at = now()
"""


@measured
async def save_checkpoint(pool: asyncpg.Pool, save: CheckpointSave) -> bool:
    """False when the token does not hold the attempt."""
    value = bytes(save.value).decode()
    return await pool.fetchval(_SAVE, save.run, save.node, save.attempt, save.token, value) is not None


@measured
async def load_checkpoint(pool: asyncpg.Pool, load: CheckpointLoad) -> tuple[bool, str | None]:
    """(whether the token holds the attempt, the value as JSON text)."""
    row = await pool.fetchrow(_LOAD, load.run, load.node, load.attempt, load.token)
    return (False, None) if row is None else (True, row["value"])


@measured
async def save_progress(pool: asyncpg.Pool, progress: Progress) -> None:
    p = progress
    await pool.execute(_PROGRESS, p.run, p.node, p.attempt, p.token, p.done, p.total, p.message)
