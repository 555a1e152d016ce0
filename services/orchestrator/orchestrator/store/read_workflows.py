"""Workflows as people see them: a version in short, whether it is paused, and who did that when and why."""

from typing import Any

import msgspec
from sqlalchemy import Row, select

from orchestrator.domain.explanation.facts import WorkflowPause
from orchestrator.engine.views import WorkflowEventView, WorkflowPauseView, WorkflowSummary
from orchestrator.store.composed import Database
from orchestrator.store.tables import workflow, workflow_event

EVENTS_SHOWN_MAX = 20

PAUSE = (workflow.c.paused_at, workflow.c.paused_by, workflow.c.pause_reason)


def summary_of(row: Row[Any]) -> WorkflowSummary:
    return WorkflowSummary(
        row.project,
        row.name,
        row.version,
        row.active,
        decoded_text(row.description),
        row.digest,
        row.created_at,
        WorkflowPauseView(row.paused_by, row.pause_reason, row.paused_at) if row.paused_at else None,
    )


async def read_workflow_events(database: Database, project: str, name: str) -> tuple[WorkflowEventView, ...]:
    """Newest first."""
    table = workflow_event.c
    rows = await database.rows(
        select(table.at, table.action, table.by, table.reason)
        .where(table.project == project, table.workflow == name)
        .order_by(table.id.desc())
        .limit(EVENTS_SHOWN_MAX)
    )
    return tuple(WorkflowEventView(row.at, row.action, row.by, row.reason) for row in rows)


async def read_workflow_pause(database: Database, project: str, name: str) -> WorkflowPause | None:
    found = select(*PAUSE).where(
        workflow.c.project == project, workflow.c.name == name, workflow.c.paused_at.is_not(None)
    )
    row = await database.row(found)
    return None if row is None else WorkflowPause(name, row.paused_by, row.pause_reason, row.paused_at)


def decoded_text(description: bytes | None) -> str:
    return "" if description is None else msgspec.json.decode(description, type=str)
