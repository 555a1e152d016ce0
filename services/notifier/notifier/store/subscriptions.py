"""Subscriptions in the database. Every change makes the version grow, in its transaction.

Lock order: the version's one row, then subscriptions.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from notifier.store.operation import operation
from penstock.contracts.value import Value

_GROW = "update subscription_version set version = version + 1 returning version"
_COLUMNS = "id, project, name, document, from_file, active, inactive_reason, revision, created_at, changed_at"


class SubscriptionRow(Value, frozen=True, kw_only=True):
    id: UUID
    project: str
    name: str
    document: str
    from_file: bool
    active: bool
    inactive_reason: str
    revision: int
    created_at: datetime
    changed_at: datetime


@operation
async def read_version(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("select version from subscription_version"))


@operation
async def read_all(pool: asyncpg.Pool) -> list[SubscriptionRow]:
    return [_row(record) for record in await pool.fetch(f"select {_COLUMNS} from subscription")]


@operation
async def read_of_project(pool: asyncpg.Pool, project: str) -> list[SubscriptionRow]:
    statement = f"select {_COLUMNS} from subscription where project = $1 order by name"
    return [_row(record) for record in await pool.fetch(statement, project)]


@operation
async def read_one(pool: asyncpg.Pool, project: str, name: str) -> SubscriptionRow | None:
    statement = f"select {_COLUMNS} from subscription where project = $1 and name = $2"
    record = await pool.fetchrow(statement, project, name)
    return None if record is None else _row(record)


@operation
async def put(
    connection: asyncpg.Connection | asyncpg.Pool,
    *,
    id: UUID,
    project: str,
    name: str,
    document: str,
    from_file: bool,
    active: bool,
) -> None:
    """Make or change one, unless nothing would change; in the caller's transaction."""
    await connection.execute(
        f"""
        with grown as ({_GROW})
        insert into subscription as old
          (id, project, name, document, from_file, active, inactive_reason, revision)
        select $1, $2, $3, $4, $5, $6, case when $6 then '' else 'paused in its document' end, version from grown
        on conflict (project, name) do update set
          document = excluded.document, from_file = excluded.from_file, active = excluded.active,
          inactive_reason = excluded.inactive_reason, revision = excluded.revision, changed_at = now()
        where (old.document, old.from_file) is distinct from (excluded.document, excluded.from_file)
        """,
        id,
        project,
        name,
        document,
        from_file,
        active,
    )


@operation
async def set_active(pool: asyncpg.Pool, id: UUID, *, active: bool, reason: str) -> None:
    """`reason` says why it is not active."""
    await pool.execute(
        f"""
        with grown as ({_GROW})
        update subscription set active = $2, inactive_reason = $3, revision = version, changed_at = now()
        from grown where id = $1 and active <> $2
        """,
        id,
        active,
        reason,
    )


@operation
async def delete(pool: asyncpg.Pool, id: UUID) -> None:
    """With its deliveries."""
    await pool.execute(
        f"with grown as ({_GROW}) delete from subscription using grown where id = $1",
        id,
    )


@operation
async def delete_files_except(
    connection: asyncpg.Connection, keep: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Remove what came from a file and is in it no more; returns (project, name) of the removed."""
    records = await connection.fetch(
        f"""
        with grown as ({_GROW})
        delete from subscription using grown
        where from_file and not exists (
          select from unnest($1::text[], $2::text[]) as kept (project, name)
          where (kept.project, kept.name) = (subscription.project, subscription.name))
        returning project, name
        """,
        [project for project, _ in keep],
        [name for _, name in keep],
    )
    return [(record["project"], record["name"]) for record in records]


@operation
async def count(pool: asyncpg.Pool, project: str) -> int:
    return int(await pool.fetchval("select count(*) from subscription where project = $1", project))


def _row(record: Mapping[str, object]) -> SubscriptionRow:
    return SubscriptionRow(**record)  # type: ignore[arg-type]
