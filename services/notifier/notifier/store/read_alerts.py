"""Reads of alerts and actions, as people list them: `AlertQueries`."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import asyncpg
import msgspec

from notifier.alerts.source import Verb
from notifier.alerts.views import ActionPage, ActionView, AlertPage, AlertView
from notifier.store.operation import operation
from penstock.contracts.errors import InvalidInput

ID_MAX = 2**63 - 1

_ALERTS = """
select a.id as row, encode(a.key, 'hex') as id, a.source, a.project, a.name, a.status, a.fingerprint, a.labels,
  a.annotations, a.starts_at, a.ends_at, a.generator_url, g.group_key, g.receiver, a.received_at, a.heard_at,
  a.times, a.published_at
from alert a join alert_group g on g.id = a.group_id
where a.id < $1 and ($2::text is null or a.source = $2) and ($3::text is null or a.status = $3)
  and ($4::text is null or a.project = $4)
order by a.id desc limit $5
"""
_ACTIONS = """
select id as row, id, project, verb as action, target, source, alert, fingerprint, starts_at, state, outcome, detail,
  tries, ordered_at, done_at, ended_at
from alert_action
where id < $1 and ($2::text is null or source = $2) and ($3::text is null or state = $3)
  and ($4::text is null or project = $4)
order by id desc limit $5
"""


class AlertReads:
    """`AlertQueries` over PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @operation
    async def alerts(
        self,
        *,
        source: str | None,
        status: str | None,
        project: str | None,
        limit: int,
        cursor: str | None,
    ) -> AlertPage:
        rows, following = await self._page(_ALERTS, source, status, project, limit=limit, cursor=cursor)
        return AlertPage(tuple(map(_alert, rows)), following)

    @operation
    async def actions(
        self, *, source: str | None, state: str | None, project: str | None, limit: int, cursor: str | None
    ) -> ActionPage:
        rows, following = await self._page(_ACTIONS, source, state, project, limit=limit, cursor=cursor)
        return ActionPage(tuple(map(_action, rows)), following)

    async def _page(
        self, statement: str, *filters: str | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[asyncpg.Record], str | None]:
        before = ID_MAX if cursor is None else _read_cursor(cursor)
        rows = await self._pool.fetch(statement, before, *filters, limit + 1)
        following = _write_cursor(rows[limit - 1]["row"]) if len(rows) > limit else None
        return rows[:limit], following


def _alert(row: asyncpg.Record) -> AlertView:
    fields = {name: value for name, value in row.items() if name != "row"}
    raw = {name: msgspec.Raw(row[name].encode()) for name in ("labels", "annotations")}
    return AlertView(**{**fields, **raw})


def _action(row: asyncpg.Record) -> ActionView:
    fields = {name: value for name, value in row.items() if name != "row"}
    return ActionView(**{**fields, "action": Verb(row["action"])})


def _write_cursor(row: int) -> str:
    return urlsafe_b64encode(str(row).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> int:
    """Raises InvalidInput for anything that `_write_cursor` did not write."""
    try:
        row = int(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise InvalidInput.at("cursor", "expected the `next` of a former page, unchanged") from error
    if not 0 <= row <= ID_MAX:
        raise InvalidInput.at("cursor", "expected the `next` of a former page, unchanged")
    return row
