"""Reads of schedules: lists, and one with its next moments and its last ticks."""

from typing import Any

from sqlalchemy import Row, Select, and_, func, select, tuple_

from orchestrator.engine.schedule_views import ScheduleSummary, ScheduleView, TickView, Upcoming
from orchestrator.engine.views import Page
from orchestrator.store.composed import Database
from orchestrator.store.cursor import ScheduleKey, read_cursor, write_cursor
from orchestrator.store.schedule_rows import key_is
from orchestrator.store.tables import run, schedule, schedule_tick, workflow
from penstock.contracts.errors import NotFound
from penstock.contracts.names import is_name
from penstock.contracts.workflow import WorkflowDefinition
from penstock.definition.schedules import next_moments, schedules_of
from penstock.telemetry.operations import measured

LAST_TICKS = 20
NAMES_SUGGESTED_FROM_MAX = 2_000  # names that are compared with a wrong one

_of_workflow = and_(workflow.c.project == schedule.c.project, workflow.c.name == schedule.c.workflow)
_ROWS = select(schedule, workflow.c.active, func.now().label("now")).join_from(
    schedule, workflow, _of_workflow
)


@measured
async def read_schedules(
    database: Database, project: str, *, of: str | None, limit: int, cursor: str | None
) -> Page[ScheduleSummary]:
    """By workflow and name; only those `of` one workflow, if it is given."""
    key = tuple_(schedule.c.workflow, schedule.c.name)
    found = _ROWS.where(schedule.c.project == project)
    if of is not None:
        found = found.where(schedule.c.workflow == of)
    if cursor is not None:
        after = read_cursor(cursor, ScheduleKey)
        found = found.where(key > (after.workflow, after.name))
    ordered = found.order_by(schedule.c.workflow, schedule.c.name)
    rows = await database.rows(ordered.limit(limit + 1))
    items = tuple(ScheduleSummary(**_summary_fields(row)) for row in rows[:limit])
    last = ScheduleKey(items[-1].workflow, items[-1].name) if len(rows) > limit else None
    return Page(items=items, next=write_cursor(last) if last else None)


@measured
async def read_schedule(database: Database, project: str, of: str, name: str) -> ScheduleView:
    """Raises NotFound with the nearest name."""
    row = await read_schedule_row(database, project, of, name)
    ticks = await database.rows(_last_ticks(project, of, name))
    return ScheduleView(
        **_summary_fields(row),
        input=row.input,
        next=next_moments(row.cron, row.timezone, after=row.now),
        ticks=tuple(TickView(**tick._asdict()) for tick in ticks),
    )


@measured
async def read_schedule_row(database: Database, project: str, of: str, name: str) -> Row[Any]:
    """Raises NotFound: for a workflow that is unknown, or for the schedule, with the nearest of its own."""
    row = None
    if is_name(of) and is_name(name):
        row = await database.row(_ROWS.where(*key_is(project, of, name)))
    if row is None:
        raise await _not_found(database, project, of, name)
    return row


@measured
async def upcoming(database: Database, definition: WorkflowDefinition) -> tuple[Upcoming, ...]:
    """When the schedules of a definition would tick, if it were saved now."""
    triggers = schedules_of(definition)
    if not triggers:
        return ()
    row = await database.row(select(func.now().label("now")))
    assert row is not None, "a select without a table gives one row"
    return tuple(
        Upcoming(name, each.cron, each.timezone, next_moments(each.cron, each.timezone, after=row.now))
        for name, each in triggers.items()
    )


def _last_ticks(project: str, of: str, name: str) -> Select[Any]:
    tick = schedule_tick.c
    wanted = (tick.moment, tick.outcome, tick.reason, tick.by, tick.at, tick.run_id)
    return (
        select(*wanted, run.c.state.label("run_state"))
        .join_from(schedule_tick, run, run.c.id == tick.run_id, isouter=True)
        .where(tick.project == project, tick.workflow == of, tick.name == name)
        .order_by(tick.moment.desc())
        .limit(LAST_TICKS)
    )


def _summary_fields(row: Row[Any]) -> dict[str, Any]:
    ticks = row.active and not row.paused
    return {
        "project": row.project,
        "workflow": row.workflow,
        "name": row.name,
        "version": row.workflow_version,
        "cron": row.cron,
        "timezone": row.timezone,
        "overlap": row.overlap,
        "catch_up": row.catch_up,
        "active": row.active,
        "paused": row.paused,
        "paused_by": row.paused_by,
        "paused_at": row.paused_at,
        "next_at": row.next_at if ticks else None,
        "last_tick": row.last_tick,
    }


async def _not_found(database: Database, project: str, of: str, name: str) -> NotFound:
    names = await database.rows(
        select(workflow.c.name, schedule.c.name.label("schedule"))
        .join_from(workflow, schedule, _of_workflow, isouter=True)
        .where(workflow.c.project == project)
        .limit(NAMES_SUGGESTED_FROM_MAX)
    )
    if of not in {row.name for row in names}:
        return NotFound("workflow", of, tuple({row.name for row in names}))
    return NotFound(
        f"schedule of workflow '{of}'", name, tuple(r.schedule for r in names if r.name == of and r.schedule)
    )
