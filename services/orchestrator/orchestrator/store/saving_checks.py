"""What a definition is checked for that its text alone does not tell: other workflows, and agents on offer."""

import asyncio

from orchestrator.store.composed import Database
from orchestrator.store.nesting import sub_workflows_below
from orchestrator.store.read_agents import read_offers
from penstock.contracts.errors import Problem
from penstock.definition import LoadedDefinition
from penstock.definition.agents_offered import check_offered
from penstock.definition.nesting import check_nesting, names_of_sub_workflows
from penstock.definition.parse import parse
from penstock.definition.report import Report
from penstock.telemetry.operations import measured


@measured
async def warnings_on_saving(
    database: Database, project: str, loaded: LoadedDefinition, text: bytes
) -> tuple[Problem, ...]:
    """Of sub-workflows and of offers; raises InvalidInput if sub-workflows would never end or go too deep.

    Two that are saved at the same instant can still come to run each other; the limit of the depth ends that.
    """
    report = Report(await asyncio.to_thread(parse, text))
    names = names_of_sub_workflows(loaded.definition)
    if names:
        check_nesting(loaded.definition, await sub_workflows_below(database, project, names), report)
        report.raise_if_wrong(f"workflow '{loaded.definition.name}'")
    check_offered(loaded.definition, await read_offers(database), report)
    return report.problems


@measured
async def warnings_of_offers(
    database: Database, loaded: LoadedDefinition, text: bytes
) -> tuple[Problem, ...]:
    """Agents that nobody offers now, or that would refuse their input."""
    report = Report(await asyncio.to_thread(parse, text))
    check_offered(loaded.definition, await read_offers(database), report)
    return report.problems
