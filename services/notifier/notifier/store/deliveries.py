"""Deliveries on their way: made, claimed, finished. Set-based; a claim is a moment until which nobody else tries.

Lock order: subscriptions (shared), then deliveries.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from notifier.store.operation import operation
from penstock.contracts.value import Value


class NewDelivery(Value, frozen=True, kw_only=True):
    id: UUID
    subscription: UUID
    event_id: str
    kind: str
    workflow: str
    run: UUID
    happened_at: datetime
    event: str


class Claimed(Value, frozen=True, kw_only=True):
    """A delivery that is ours to try. `number` names the try; `tries` have failed before."""

    id: UUID
    subscription: UUID
    event: str
    number: int
    tries: int


class Finished(Value, frozen=True, kw_only=True):
    """One try and what follows from it: `again_after` is None when there is no other."""

    id: UUID
    number: int
    at: datetime
    ok: bool
    status: int | None
    milliseconds: int
    answer: str
    error: str
    again_after: timedelta | None

    @property
    def state(self) -> str:
        return "delivered" if self.ok else "failed" if self.again_after is None else "waiting"


@operation
async def insert(pool: asyncpg.Pool, new: Sequence[NewDelivery]) -> int:
    """Exactly one row for each subscription and event, however often it comes; returns how many are new."""
    status: str = await pool.execute(
        """
        with kept as (
          select id from subscription where id = any($2::uuid[]) order by id for key share)
        insert into delivery (id, subscription_id, event_id, kind, workflow, run_id, happened_at, event)
        select new.id, new.subscription_id, event_id, kind, workflow, run_id, happened_at, event
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::timestamptz[],
                    $8::text[])
          as new (id, subscription_id, event_id, kind, workflow, run_id, happened_at, event)
        join kept on kept.id = new.subscription_id
        order by new.subscription_id, event_id
        on conflict (subscription_id, event_id) do nothing
        """,
        [each.id for each in new],
        [each.subscription for each in new],
        [each.event_id for each in new],
        [each.kind for each in new],
        [each.workflow for each in new],
        [each.run for each in new],
        [each.happened_at for each in new],
        [each.event for each in new],
    )
    return int(status.rpartition(" ")[2])


@operation
async def claim(
    pool: asyncpg.Pool, room: Mapping[UUID, int], *, total_max: int, lease: timedelta
) -> list[Claimed]:
    """Due deliveries, of each subscription at most so many; ours until the lease ends or they are finished."""
    records = await pool.fetch(
        """
        with free as (
          select * from unnest($1::uuid[], $2::int[]) as free (subscription_id, room)),
        due as (
          select one.id from free cross join lateral (
            select id from delivery
            where subscription_id = free.subscription_id and state = 'waiting' and due_at <= now()
            order by due_at limit free.room for update skip locked) as one
          limit $3)
        update delivery set claims = claims + 1, due_at = now() + $4::interval
        from due where delivery.id = due.id
        returning delivery.id, subscription_id, event, claims, tries
        """,
        list(room),
        list(room.values()),
        total_max,
        lease,
    )
    return [
        Claimed(
            id=record["id"],
            subscription=record["subscription_id"],
            event=record["event"],
            number=record["claims"],
            tries=record["tries"],
        )
        for record in records
    ]


@operation
async def finish(pool: asyncpg.Pool, finished: Sequence[Finished]) -> None:
    """Note the tries, and what follows for those that nobody else has claimed since; told is told, though."""
    ordered = sorted(finished, key=lambda each: each.id)
    await pool.execute(
        """
        with told as (
          select * from unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::bool[], $5::int[], $6::int[],
                               $7::text[], $8::text[], $9::text[], $10::interval[])
            as told (id, number, at, ok, status, milliseconds, answer, error, state, again_after)),
        held as (
          select delivery.id from delivery join told using (id) order by delivery.id for update of delivery),
        noted as (
          insert into delivery_try (delivery_id, number, at, ok, status, milliseconds, answer, error)
          select id, number, at, ok, status, milliseconds, answer, error from told join held using (id)
          on conflict do nothing)
        update delivery set
          state = told.state,
          tries = tries + case when told.ok then 0 else 1 end,
          due_at = now() + coalesce(told.again_after, interval '0'),
          ended_at = case when told.state = 'waiting' then null else now() end
        from told join held using (id)
        where delivery.id = told.id and delivery.state = 'waiting'
          and (delivery.claims = told.number or told.ok)
        """,
        [each.id for each in ordered],
        [each.number for each in ordered],
        [each.at for each in ordered],
        [each.ok for each in ordered],
        [each.status for each in ordered],
        [each.milliseconds for each in ordered],
        [each.answer for each in ordered],
        [each.error for each in ordered],
        [each.state for each in ordered],
        [each.again_after for each in ordered],
    )


@operation
async def waiting(pool: asyncpg.Pool) -> tuple[int, int]:
    """How many are due, and how many wait for a retry or an answer."""
    record = await pool.fetchrow(
        """
        select count(*) filter (where due_at <= now()) as due, count(*) filter (where due_at > now()) as retry
        from delivery where state = 'waiting'
        """
    )
    return record["due"], record["retry"]


@operation
async def delete_old(pool: asyncpg.Pool, *, age: timedelta, rows_max: int) -> int:
    """Delete ended deliveries with their tries, and those that waited so long for a paused subscription."""
    status: str = await pool.execute(
        """
        with old as (
          (select id from delivery where ended_at < now() - $1::interval limit $2)
          union all
          (select delivery.id from delivery join subscription on subscription.id = subscription_id
           where state = 'waiting' and not active and delivery.created_at < now() - $1::interval limit $2))
        delete from delivery using old where delivery.id = old.id
        """,
        age,
        rows_max,
    )
    return int(status.rpartition(" ")[2])
