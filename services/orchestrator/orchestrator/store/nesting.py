"""Which saved workflows run which others: asked when a definition is saved that runs sub-workflows."""

import msgspec
from sqlalchemy import select

from orchestrator.store.composed import Database
from orchestrator.store.tables import workflow, workflow_version
from penstock.contracts.errors import LimitExceeded, Problem
from penstock.contracts.limits import SUB_WORKFLOW_DEPTH_MAX
from penstock.definition.nesting import names_in_document
from penstock.telemetry.operations import measured

SUB_WORKFLOWS_MAX = 1_000  # that are followed from one definition: each has up to 1 MiB of text


@measured
async def sub_workflows_below(
    database: Database, project: str, names: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """What each of `names` that is saved runs, and what those run, level by level: one statement for each.

    Raises LimitExceeded where that would be too many to follow.
    """
    found: dict[str, tuple[str, ...]] = {}
    level = set(names)
    for _ in range(SUB_WORKFLOW_DEPTH_MAX + 1):
        if not level:
            break
        if len(found) + len(level) > SUB_WORKFLOWS_MAX:
            message = f"it leads to more than {SUB_WORKFLOWS_MAX} sub-workflows"
            raise LimitExceeded(message, (Problem(path="nodes", message=message),))
        found |= await _of_latest_versions(database, project, level)
        level = {used for name in level for used in found.get(name, ())} - found.keys()
    return found


async def _of_latest_versions(
    database: Database, project: str, names: set[str]
) -> dict[str, tuple[str, ...]]:
    is_latest = (
        (workflow_version.c.project == workflow.c.project)
        & (workflow_version.c.name == workflow.c.name)
        & (workflow_version.c.version == workflow.c.latest_version)
    )
    rows = await database.rows(
        select(workflow.c.name, workflow_version.c.source)
        .join_from(workflow, workflow_version, is_latest)
        .where(workflow.c.project == project, workflow.c.name.in_(sorted(names)))
    )
    return {row.name: names_in_document(msgspec.json.decode(row.source)) for row in rows}
