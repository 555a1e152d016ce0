"""Reads of what happened: a run's timeline, and what its agents wrote to their logs."""

from uuid import UUID

from sqlalchemy import func, select

from orchestrator.engine.port import RunHead
from orchestrator.engine.views import EventPage, EventView, LogLineView, LogPage
from orchestrator.store.composed import Database
from orchestrator.store.tables import node_log, run_event
from penstock.telemetry.operations import measured


@measured
async def read_events(
    database: Database, run_id: UUID, head: RunHead, *, after: int, limit: int
) -> EventPage:
    """`head` is read before, so that an end which it knows is among the events that are read now."""
    rows = await database.rows(
        select(
            run_event.c.seq,
            run_event.c.at,
            run_event.c.kind,
            run_event.c.node,
            run_event.c.attempt,
            run_event.c.data,
        )
        .where(run_event.c.run_id == run_id, run_event.c.seq > after)
        .order_by(run_event.c.seq)
        .limit(limit)
    )
    last = rows[-1].seq if rows else after
    return EventPage(
        items=tuple(EventView(**row._mapping) for row in rows),
        next=None if head.ended and last >= head.seq else last,
    )


@measured
async def read_logs(
    database: Database, run_id: UUID, node: str, *, attempt: int | None, after: int | None, limit: int
) -> LogPage:
    of_node = (node_log.c.run_id == run_id, node_log.c.node == node)
    latest = select(func.max(node_log.c.attempt)).where(*of_node).scalar_subquery()
    statement = (
        select(node_log.c.attempt, node_log.c.line, node_log.c.at, node_log.c.stream, node_log.c.text)
        .where(*of_node, node_log.c.attempt == (latest if attempt is None else attempt))
        .order_by(node_log.c.line)
        .limit(limit + 1)
    )
    rows = await database.rows(statement if after is None else statement.where(node_log.c.line > after))
    items = tuple(LogLineView(**row._mapping) for row in rows[:limit])
    return LogPage(items=items, next=items[-1].line if len(rows) > limit else None)
