"""The schedules of a workflow's latest version as rows: replaced with the version, paused and resumed by people."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Table, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.store.tables import schedule, schedule_tick
from penstock.contracts.workflow import WorkflowDefinition
from penstock.definition.cron import Cron
from penstock.definition.schedules import schedules_of
from penstock.telemetry.operations import measured

_REMOVED = "the schedule is not in version {version}"
_now = select(func.now())


@measured
async def replace_schedules(
    connection: AsyncConnection, project: str, definition: WorkflowDefinition, version: int
) -> None:
    """Make the rows those of `version`, in the transaction that makes it the latest.

    What a person paused stays paused, and what ticks as before keeps its next moment.
    """
    triggers = schedules_of(definition)
    await _remove_others(connection, project, definition.name, triggers, version)
    moment: datetime = (await connection.execute(_now)).scalar_one()
    for name, trigger in triggers.items():
        fields = {
            "workflow_version": version,
            "cron": trigger.cron,
            "timezone": trigger.timezone,
            "overlap": str(trigger.overlap),
            "catch_up": str(trigger.catch_up),
            "input": None if trigger.input is None else msgspec.json.encode(trigger.input),
            "next_at": Cron(trigger.cron, trigger.timezone).next_after(moment),
        }
        row = insert(schedule).values(project=project, workflow=definition.name, name=name, **fields)
        await connection.execute(
            row.on_conflict_do_update(
                index_elements=["project", "workflow", "name"], set_={**fields, "next_at": _kept(row)}
            )
        )


@measured
async def restart_schedules(connection: AsyncConnection, project: str, workflow: str) -> None:
    """From now on, and never mind what came due while the workflow was not active."""
    of_workflow = select(schedule, func.now().label("now")).where(
        schedule.c.project == project, schedule.c.workflow == workflow
    )
    for row in (await connection.execute(of_workflow)).all():
        await connection.execute(
            update(schedule).where(*key_is(project, workflow, row.name)).values(next_at=_next(row))
        )


@measured
async def set_paused(
    connection: AsyncConnection, project: str, workflow: str, name: str, *, paused: bool, by: str
) -> None:
    """Asking for what is so already changes nothing, nor who asked first."""
    found = select(schedule, func.now().label("now")).where(*key_is(project, workflow, name))
    row = (await connection.execute(found.with_for_update())).first()
    if row is not None and row.paused != paused:
        fields: dict[str, Any] = {"paused": paused, "paused_by": by, "paused_at": func.now()}
        if not paused:
            fields["next_at"] = _next(row)
        await connection.execute(update(schedule).where(*key_is(project, workflow, name)).values(**fields))


def key_is(project: str, workflow: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return schedule.c.project == project, schedule.c.workflow == workflow, schedule.c.name == name


def _next(row: Row[Any]) -> datetime:
    return Cron(row.cron, row.timezone).next_after(row.now)


def _kept(row: Any) -> Any:
    """The next moment of a schedule whose clock has not changed, else that of the new one."""
    changed = or_(schedule.c.cron != row.excluded.cron, schedule.c.timezone != row.excluded.timezone)
    return case((changed, row.excluded.next_at), else_=schedule.c.next_at)


async def _remove_others(
    connection: AsyncConnection, project: str, workflow: str, kept: Iterable[str], version: int
) -> None:
    """Those that the version no longer has; their undecided ticks start nothing."""
    forgotten = update(schedule_tick).where(schedule_tick.c.outcome.in_(("due", "queued")))
    await connection.execute(
        forgotten.where(*_others(schedule_tick, project, workflow, kept)).values(
            outcome="missed", reason=_REMOVED.format(version=version)
        )
    )
    await connection.execute(delete(schedule).where(*_others(schedule, project, workflow, kept)))


def _others(
    table: Table, project: str, workflow: str, kept: Iterable[str]
) -> tuple[ColumnElement[bool], ...]:
    return table.c.project == project, table.c.workflow == workflow, table.c.name.not_in(list(kept))
