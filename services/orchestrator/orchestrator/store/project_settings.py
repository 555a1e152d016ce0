"""What was set for one project: how long it keeps its runs."""

from datetime import timedelta

import asyncpg

from penstock.telemetry.operations import measured

_READ = "select retention from project_settings where project = $1"

_WRITE = """
insert into project_settings (project, retention, changed_by) values ($1, $2, $3)
on conflict (project) do update set
  retention = excluded.retention, changed_by = excluded.changed_by, changed_at = now()
"""


@measured
async def read_retention(pool: asyncpg.Pool, project: str) -> timedelta | None:
    """None when nobody has set it."""
    retention: timedelta | None = await pool.fetchval(_READ, project)
    return retention


@measured
async def write_retention(pool: asyncpg.Pool, project: str, retention: timedelta, *, by: str) -> None:
    await pool.execute(_WRITE, project, retention, by)
