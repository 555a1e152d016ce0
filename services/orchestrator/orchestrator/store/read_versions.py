"""The versions of one workflow, with how many runs of each are open."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select

from orchestrator.store.composed import Database
from orchestrator.store.tables import RawJson, run, workflow_version
from penstock.telemetry.operations import measured

DESCRIPTION = func.json_object_field(workflow_version.c.source, "description", type_=RawJson())


@measured
async def read_versions(
    database: Database, project: str, name: str, *, below: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Newest first; those with a number less than `below`, if it is given."""
    open_runs = (
        select(run.c.workflow_version.label("version"), func.count().label("runs_open"))
        .where(
            run.c.project == project,
            run.c.workflow == name,
            run.c.ended_at.is_(None),
            run.c.settled.is_(False),  # true of every open run; it has an index, which ended runs are not in
        )
        .group_by(run.c.workflow_version)
        .subquery()
    )
    found = (
        select(
            workflow_version.c.version,
            workflow_version.c.digest,
            workflow_version.c.created_at,
            DESCRIPTION.label("description"),
            open_runs.c.runs_open,
        )
        .join_from(
            workflow_version, open_runs, open_runs.c.version == workflow_version.c.version, isouter=True
        )
        .where(workflow_version.c.project == project, workflow_version.c.name == name)
    )
    if below is not None:
        found = found.where(workflow_version.c.version < below)
    return await database.rows(found.order_by(workflow_version.c.version.desc()).limit(limit))
