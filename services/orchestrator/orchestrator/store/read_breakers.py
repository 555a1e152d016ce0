"""Reads of circuit breakers: their states, whom they hold back, and who changed them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Row, Select, Text, func, literal_column, select

from orchestrator.domain.breaker import BreakerState
from orchestrator.domain.explanation.held import HeldFacts
from orchestrator.engine.breaker_views import (
    BreakerDetail,
    BreakerEvent,
    BreakersView,
    BreakerView,
    PolicyView,
)
from orchestrator.store.breakers import stored_breaker
from orchestrator.store.composed import Database
from orchestrator.store.tables import breaker, breaker_event, node, run
from penstock.contracts.errors import NotFound
from penstock.telemetry.operations import measured

BREAKERS_MAX = 1_000  # of one project: one for each dependency and guarded node
EVENTS_MAX = 50

# As the index node_held_by has them: with a parameter for the state, a generic plan could not use it.
HELD_KEY = literal_column("(node.detail ->> 'key')", Text)
IS_SUSPENDED = literal_column("node.state = 'suspended'", Boolean)


@measured
async def read_breakers(database: Database, project: str, *, state: str | None) -> BreakersView:
    asked = select(breaker).where(breaker.c.project == project).order_by(breaker.c.key).limit(BREAKERS_MAX)
    if state is not None:
        asked = asked.where(breaker.c.state == state)
    rows = await database.rows(asked)
    waiting = await count_waiting(database, project, [row.key for row in rows])
    return BreakersView(items=tuple(BreakerView(**_fields(row, waiting)) for row in rows))


@measured
async def read_breaker(database: Database, project: str, key: str) -> BreakerDetail:
    """Raises NotFound, with the nearest key."""
    row = await database.row(select(breaker).where(breaker.c.project == project, breaker.c.key == key))
    if row is None:
        raise NotFound("breaker", key, tuple(each.key for each in await database.rows(_keys(project))))
    events = await database.rows(
        select(breaker_event)
        .where(breaker_event.c.project == project, breaker_event.c.key == key)
        .order_by(breaker_event.c.id.desc())
        .limit(EVENTS_MAX)
    )
    waiting = await count_waiting(database, project, [key])
    return BreakerDetail(**_fields(row, waiting), events=tuple(_event(event) for event in events))


@measured
async def count_waiting(database: Database, project: str, keys: Sequence[str]) -> dict[str, int]:
    """How many nodes each breaker holds back."""
    rows = await database.rows(
        select(HELD_KEY.label("key"), func.count().label("waiting"))
        .join_from(node, run, run.c.id == node.c.run_id)
        .where(run.c.project == project, IS_SUSPENDED, HELD_KEY.in_(keys))
        .group_by(HELD_KEY)
    )
    return {row.key: row.waiting for row in rows}


@measured
async def read_held(database: Database, project: str, run_id: UUID) -> dict[str, HeldFacts]:
    """The nodes of a run whose claims breakers refused, by name."""
    rows = await database.rows(
        select(node.c.name, node.c.wake_at, HELD_KEY.label("held_key"), breaker)
        .join_from(node, breaker, (breaker.c.key == HELD_KEY) & (breaker.c.project == project))
        .where(node.c.run_id == run_id, IS_SUSPENDED)
    )
    waiting = await count_waiting(database, project, list({row.held_key for row in rows})) if rows else {}
    return {
        row.name: HeldFacts(
            row.held_key, row.wake_at, stored_breaker(row._mapping), waiting.get(row.held_key, 1)
        )
        for row in rows
    }


def _keys(project: str) -> Select[Any]:
    return select(breaker.c.key).where(breaker.c.project == project).limit(BREAKERS_MAX)


def _fields(row: Row[Any], waiting: dict[str, int]) -> dict[str, Any]:
    stored = stored_breaker(row._mapping)
    half_open = stored.state is BreakerState.HALF_OPEN
    return {
        "key": row.key,
        "state": stored.state.value,
        "policy": PolicyView.of(stored.policy),
        "succeeded": stored.succeeded,
        "failed": stored.failed,
        "last_failure": stored.last_failure,
        "opened_at": stored.opened_at,
        "open_until": stored.open_until,
        "step": stored.step if half_open else None,
        "calling": len(stored.permits),
        "waiting": waiting.get(row.key, 0),
        "refusals": stored.refusals,
        "changed_at": row.changed_at,
        "changed_by": row.changed_by,
    }


def _event(row: Row[Any]) -> BreakerEvent:
    return BreakerEvent(row.at, row.from_state, row.to_state, row.by, row.reason)
