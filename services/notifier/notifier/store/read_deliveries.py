"""The log of deliveries, for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from notifier.store.operation import operation
from penstock.contracts.value import Value

_COLUMNS = """
  delivery.id, subscription.name as subscription, event_id, kind, workflow, run_id as run, happened_at, state,
  tries, due_at, delivery.created_at, ended_at
"""
_FROM = "delivery join subscription on subscription.id = subscription_id"


class DeliveryRow(Value, frozen=True, kw_only=True):
    id: UUID
    subscription: str
    event_id: str
    kind: str
    workflow: str
    run: UUID
    happened_at: datetime
    state: str
    tries: int
    due_at: datetime
    created_at: datetime
    ended_at: datetime | None


class TryRow(Value, frozen=True, kw_only=True):
    number: int
    at: datetime
    ok: bool
    status: int | None
    milliseconds: int
    answer: str
    error: str


@operation
async def read_page(
    pool: asyncpg.Pool,
    project: str,
    *,
    subscription: str | None,
    state: str | None,
    run: UUID | None,
    before: UUID | None,
    rows_max: int,
) -> list[DeliveryRow]:
    """The newest first: ids grow with time. `before` is the last id of the page before."""
    records = await pool.fetch(
        f"""
        select {_COLUMNS} from {_FROM}
        where subscription.project = $1 and ($2::text is null or subscription.name = $2)
          and ($3::text is null or state = $3) and ($4::uuid is null or run_id = $4)
          and ($5::uuid is null or delivery.id < $5)
        order by delivery.id desc limit $6
        """,
        project,
        subscription,
        state,
        run,
        before,
        rows_max,
    )
    return [_row(record) for record in records]


@operation
async def read_one(pool: asyncpg.Pool, project: str, id: UUID) -> tuple[DeliveryRow, str] | None:
    """The delivery, and the event that it tells."""
    statement = f"select {_COLUMNS}, event from {_FROM} where subscription.project = $1 and delivery.id = $2"
    record = await pool.fetchrow(statement, project, id)
    if record is None:
        return None
    found = dict(record)
    event = found.pop("event")
    return _row(found), event


@operation
async def read_tries(pool: asyncpg.Pool, id: UUID) -> list[TryRow]:
    records = await pool.fetch(
        "select number, at, ok, status, milliseconds, answer, error from delivery_try"
        " where delivery_id = $1 order by number",
        id,
    )
    return [TryRow(**record) for record in records]


@operation
async def redeliver(pool: asyncpg.Pool, project: str, id: UUID) -> bool:
    """Due now, and the schedule begins again; false if there is no such delivery."""
    status: str = await pool.execute(
        """
        update delivery set state = 'waiting', tries = 0, due_at = now(), ended_at = null, claims = claims + 1
        from subscription
        where subscription.id = subscription_id and subscription.project = $1 and delivery.id = $2
        """,
        project,
        id,
    )
    return status != "UPDATE 0"


def _row(record: Mapping[str, Any]) -> DeliveryRow:
    return DeliveryRow(**record)
