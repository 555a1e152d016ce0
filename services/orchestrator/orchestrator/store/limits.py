"""Limits as rows: read for people, set and unset by them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, ScalarSelect, case, delete, func, null, or_, select
from sqlalchemy.dialects.postgresql import insert

from orchestrator.engine.limits import LimitScope, LimitsView, LimitView
from orchestrator.store.composed import Database
from orchestrator.store.tables import execution_limit, node, run, runner
from penstock.contracts.errors import NotFound
from penstock.telemetry.operations import measured

LIMITS_MAX = 1_000  # of one list; more than a person sets

_limit = execution_limit.c

# A live row holds a slot: the same count as where claims are granted (store/capacity.py).
IS_LIVE = node.c.token.is_not(None)


def _running() -> ScalarSelect[int]:
    live = (
        select(func.count())
        .select_from(node)
        .join(run, run.c.id == node.c.run_id)
        .outerjoin(runner, runner.c.id == node.c.runner)
        .where(
            IS_LIVE,
            or_(
                (_limit.scope == LimitScope.PROJECT) & (run.c.project == _limit.name),
                (_limit.scope == LimitScope.POOL) & (runner.c.pool == _limit.name),
            ),
        )
    )
    return live.correlate(execution_limit).scalar_subquery()


_SEEN = select(
    execution_limit, case((_limit.scope == LimitScope.STARTS, null()), else_=_running()).label("running")
)


@measured
async def read_limits(database: Database) -> LimitsView:
    rows = await database.rows(_SEEN.order_by(_limit.scope, _limit.name).limit(LIMITS_MAX))
    return LimitsView(tuple(_view(row) for row in rows))


@measured
async def holders_of(database: Database, limit: LimitView, *, most: int) -> tuple[tuple[UUID, str], ...]:
    """(run, node) of attempts that count for the limit, those that began first."""
    rows = await database.rows(
        select(node.c.run_id, node.c.name)
        .join(run, run.c.id == node.c.run_id)
        .outerjoin(runner, runner.c.id == node.c.runner)
        .where(IS_LIVE, (run.c.project if limit.scope is LimitScope.PROJECT else runner.c.pool) == limit.name)
        .order_by(node.c.started_at, node.c.run_id, node.c.name)
        .limit(most)
    )
    return tuple((row.run_id, row.name) for row in rows)


class LimitTable:
    """`Limits` over PostgreSQL. `on_change` is awaited after each change."""

    def __init__(self, database: Database, *, on_change: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._on_change = on_change

    @measured
    async def list(self) -> LimitsView:
        return await read_limits(self._database)

    @measured
    async def set(self, scope: LimitScope, name: str, maximum: int) -> LimitView:
        changed = {"maximum": maximum, "set_at": func.now()}
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(execution_limit)
                .values(scope=scope, name=name, maximum=maximum)
                .on_conflict_do_update(index_elements=["scope", "name"], set_=changed)
            )
            seen = _SEEN.where(_limit.scope == scope, _limit.name == name)
            view = _view((await connection.execute(seen)).one())
        await self._on_change()
        return view

    @measured
    async def unset(self, scope: LimitScope, name: str) -> None:
        async with self._database.transaction() as connection:
            gone = delete(execution_limit).where(_limit.scope == scope, _limit.name == name)
            found = (await connection.execute(gone)).rowcount
        if not found:
            raise NotFound(f"limit of {scope}", name, await self._names(scope))
        await self._on_change()

    async def _names(self, scope: LimitScope) -> tuple[str, ...]:
        known = select(_limit.name).where(_limit.scope == scope).limit(LIMITS_MAX)
        return tuple(row.name for row in await self._database.rows(known))


def _view(row: Row[Any]) -> LimitView:
    return LimitView(LimitScope(row.scope), row.name, row.maximum, row.running, row.set_at)
