"""The triggers of a workflow's latest version as rows, replaced in the transaction that makes it the latest."""

import msgspec
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.store.schedule_rows import replace_schedules
from orchestrator.store.tables import event_trigger
from penstock.contracts.inbound import alert_type
from penstock.contracts.workflow import AlertTrigger, EventTrigger, Json, WorkflowDefinition
from penstock.definition.triggers import event_triggers_of


async def replace_triggers(
    connection: AsyncConnection, project: str, definition: WorkflowDefinition, version: int
) -> None:
    """Schedules, and what events start."""
    await replace_schedules(connection, project, definition, version)
    table = event_trigger.c
    of_workflow = (table.project == project, table.workflow == definition.name)
    await connection.execute(delete(event_trigger).where(*of_workflow))
    rows = [
        {"project": project, "workflow": definition.name, "name": name, **_columns(trigger)}
        for name, trigger in event_triggers_of(definition).items()
    ]
    if rows:
        await connection.execute(insert(event_trigger), rows)


def _columns(trigger: EventTrigger | AlertTrigger) -> dict[str, Json]:
    return {
        "type": alert_type(trigger.status) if isinstance(trigger, AlertTrigger) else trigger.type,
        "match": msgspec.json.encode(trigger.match) if isinstance(trigger, AlertTrigger) else None,
        "condition": trigger.if_,
        "input": None if trigger.input is None else msgspec.json.encode(trigger.input),
    }
