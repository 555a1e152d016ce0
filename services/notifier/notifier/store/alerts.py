"""Alerts in PostgreSQL: `AlertStore`. Webhooks of one source are taken one after another, by a lock of their own.

Without it, a resolved alert that is stored at the same instant as its firing would not see what that one wishes.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from notifier.alerts.event import Told
from notifier.alerts.identity import key_of, wishes_of
from notifier.alerts.payload import RESOLVED, Alert, Group, Labels
from notifier.alerts.port import Taken
from notifier.alerts.source import Source
from notifier.store.database import within
from notifier.store.operation import operation
from penstock.contracts.wire import decode, encode

_LOCK_SOURCE = "select pg_advisory_xact_lock(hashtext('penstock alerts of'), hashtext($1))"

_COUNT_REPEATS = """
update alert set times = times + sent.count, heard_at = now()
from unnest($1::bytea[], $2::integer[]) as sent (key, count)
where alert.key = sent.key
returning alert.key
"""

_ADD_GROUP = """
insert into alert_group (source, group_key, receiver, external_url, group_labels, common_labels,
  common_annotations, truncated_alerts, traceparent)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning id
"""

_ADD = """
insert into alert (key, group_id, source, project, name, status, fingerprint, starts_at, ends_at, over_at,
  generator_url, labels, annotations, times)
select key, $1, $2, project, name, status, fingerprint, starts_at, ends_at,
  case status when 'resolved' then least(ends_at, now()) end, generator_url, labels, annotations, times
from unnest($3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[],
  $10::text[], $11::json[], $12::json[], $13::integer[])
  as sent (key, project, name, status, fingerprint, starts_at, ends_at, generator_url, labels, annotations, times)
"""

# An occurrence that is over does not begin again, also when its firing comes late.
_ADD_WISHES = """
insert into alert_wish (project, verb, target, source, fingerprint, starts_at, alert, due_at, hold_resolved)
select distinct on (project, verb, target, fingerprint, starts_at)
  project, verb, target, $1, fingerprint, starts_at, alert, now() + hold_firing, hold_resolved
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::interval[],
  $9::interval[])
  as wish (project, verb, target, fingerprint, starts_at, alert, hold_firing, hold_resolved)
where not exists (
  select from alert
  where alert.source = $1 and alert.fingerprint = wish.fingerprint and alert.status = 'resolved'
    and (alert.starts_at = wish.starts_at or alert.over_at > wish.starts_at)
)
order by project, verb, target, fingerprint, starts_at, hold_firing
on conflict do nothing
"""

# Alertmanager may move the start of an alert: what began before the end is over, whatever its start was.
_RESOLVE_WISHES = """
update alert_wish w set resolved_at = now()
from unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) as over (fingerprint, starts_at, ends_at)
where w.source = $1 and w.fingerprint = over.fingerprint and w.resolved_at is null
  and (w.starts_at <= over.starts_at or w.starts_at < least(over.ends_at, now()))
"""

_CLAIM_UNPUBLISHED = """
with due as (
  select id from alert where published_at is null and publish_at <= now()
  order by id limit $1 for update skip locked
), claimed as (
  update alert set publish_at = now() + $2 from due where alert.id = due.id returning alert.*
)
select a.id, encode(a.key, 'hex') as key, a.project, a.source, a.name, a.status, a.fingerprint, a.starts_at,
  a.ends_at, a.labels, a.annotations, a.generator_url, g.group_key, g.receiver, g.external_url, g.group_labels,
  g.common_labels, g.common_annotations, g.traceparent
from claimed a join alert_group g on g.id = a.group_id
order by a.id
"""

_MARK_PUBLISHED = """
update alert set published_at = now()
where id = any($1::bigint[]) and published_at is null
  and ($2::text is null or exists (select from alert_inbox where made_at = $2))
"""
_SEE_INBOX = """
with seen as (select made_at from alert_inbox for update),
changed as (
  update alert_inbox set made_at = $1 from seen where seen.made_at is distinct from $1 returning seen.made_at
)
update alert set published_at = null, publish_at = now()
from changed where changed.made_at is not null and published_at > now() - $2::interval
"""
_KNOWS_INBOX = "select exists (select from alert_inbox where made_at = $1)"

_FORGET = """
delete from alert where id in (
  select id from alert where heard_at < now() - $1::interval and published_at is not null limit $2
)
"""
_FORGET_GROUPS = """
delete from alert_group g
where received_at < now() - $1::interval and not exists (select from alert where group_id = g.id)
"""
# An alert that nobody has told of for so long is over, though nobody said so.
_END_SILENT_WISHES = """
update alert_wish w set resolved_at = now()
where resolved_at is null and due_at < now() - $1::interval and not exists (
  select from alert where alert.source = w.source and alert.fingerprint = w.fingerprint
)
"""
_FORGET_WISHES = "delete from alert_wish where resolved_at + hold_resolved < now() - $1::interval"
_FORGET_ACTIONS = "delete from alert_action where ended_at < now() - $1::interval"

TAKE_S = 6.0  # of one webhook; Alertmanager itself gives up after 10

_JSON_FIELDS = ("labels", "annotations", "group_labels", "common_labels", "common_annotations")


class Alerts:
    """`AlertStore` over PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        # Who waits for a turn does so without a connection: there are few, and others need them.
        self._turns = defaultdict[str, asyncio.Lock](asyncio.Lock)

    @operation
    async def take(self, source: Source, group: Group) -> Taken:
        if not group.alerts:
            return Taken(stored={}, repeated={})
        alerts = {key_of(source.name, group.group_key, alert): alert for alert in group.alerts}
        times = Counter(key_of(source.name, group.group_key, alert) for alert in group.alerts)
        turn = self._turns[source.name]
        async with within(self._pool, TAKE_S, turn=turn) as connection, connection.transaction():
            await connection.execute(_LOCK_SOURCE, source.name)
            known = {
                row[0] for row in await connection.fetch(_COUNT_REPEATS, list(times), list(times.values()))
            }
            new = {key: alert for key, alert in alerts.items() if key not in known}
            if new:
                await _add(connection, source, group, new, times)
            await _wish(connection, source, group)
        stored = Counter(alert.status for alert in new.values())
        return Taken(stored=stored, repeated=Counter(alert.status for alert in group.alerts) - stored)

    @operation
    async def claim_unpublished(self, *, limit: int, lease: timedelta) -> Sequence[Told]:
        rows = await self._pool.fetch(_CLAIM_UNPUBLISHED, limit, lease)
        return [_told(row) for row in rows]

    @operation
    async def mark_published(self, ids: Sequence[int], *, inbox: str | None) -> None:
        await self._pool.execute(_MARK_PUBLISHED, ids, inbox)

    @operation
    async def see_inbox(self, made_at: str, *, age_max: timedelta) -> int:
        if await self._pool.fetchval(_KNOWS_INBOX, made_at):
            return 0
        status: str = await self._pool.execute(_SEE_INBOX, made_at, age_max)
        return int(status.rpartition(" ")[2])

    @operation
    async def forget(self, *, older_than: timedelta, limit: int) -> int:
        async with self._pool.acquire() as connection:
            gone = await connection.execute(_FORGET, older_than, limit)
            for statement in (_FORGET_GROUPS, _END_SILENT_WISHES, _FORGET_WISHES, _FORGET_ACTIONS):
                await connection.execute(statement, older_than)
        return int(gone.rpartition(" ")[2])


async def _add(
    connection: asyncpg.Connection,
    source: Source,
    group: Group,
    new: dict[bytes, Alert],
    times: Counter[bytes],
) -> None:
    group_id = await connection.fetchval(
        _ADD_GROUP,
        source.name,
        group.group_key,
        group.receiver,
        group.external_url,
        _json(group.group_labels),
        _json(group.common_labels),
        _json(group.common_annotations),
        group.truncated_alerts,
        group.traceparent,
    )
    alerts = list(new.values())
    await connection.execute(
        _ADD,
        group_id,
        source.name,
        list(new),
        [source.project_of(alert.labels) for alert in alerts],
        [alert.name for alert in alerts],
        [alert.status for alert in alerts],
        [alert.fingerprint for alert in alerts],
        [alert.starts_at for alert in alerts],
        [alert.ends_at for alert in alerts],
        [alert.generator_url for alert in alerts],
        [_json(alert.labels) for alert in alerts],
        [_json(alert.annotations) for alert in alerts],
        [times[key] for key in new],
    )


async def _wish(connection: asyncpg.Connection, source: Source, group: Group) -> None:
    """Also for repetitions: a rule may be newer than the alert. Doing it twice changes nothing."""
    wishes = list(wishes_of(source, group))
    if wishes:
        fields = (
            "project",
            "verb",
            "target",
            "fingerprint",
            "starts_at",
            "alert",
            "hold_firing",
            "hold_resolved",
        )
        columns = [[getattr(wish, field) for wish in wishes] for field in fields]
        await connection.execute(_ADD_WISHES, source.name, *columns)
    over = [alert for alert in group.alerts if alert.status == RESOLVED]
    if over:
        fingerprints = [alert.fingerprint for alert in over]
        starts, ends = [alert.starts_at for alert in over], [alert.ends_at for alert in over]
        await connection.execute(_RESOLVE_WISHES, source.name, fingerprints, starts, ends)


def _told(row: asyncpg.Record) -> Told:
    labels = {field: decode(row[field].encode(), Labels) for field in _JSON_FIELDS}
    return Told(**{**dict(row), **labels})


def _json(labels: Labels) -> str:
    return encode(labels).decode()
