"""Sub-workflows inside sub-workflows: which ones a definition runs, whether that ever ends, how deep it goes. Pure.

Only the latest versions count. A node that pins an older version of a workflow that runs this one would end, yet
nobody could say where without reading every version; so it is refused as well.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from penstock.contracts.limits import SUB_WORKFLOW_DEPTH_MAX
from penstock.contracts.workflow import Json, WorkflowDefinition
from penstock.definition.report import Report

Uses: TypeAlias = Callable[[str], tuple[str, ...] | None]
"""The workflows that the latest version of a saved workflow runs; None if none of this name is saved."""


def names_of_sub_workflows(definition: WorkflowDefinition) -> tuple[str, ...]:
    """The workflows that its nodes run, each once, in the author's order."""
    return tuple(dict.fromkeys(node.workflow for node in definition.nodes if node.workflow))


def names_in_document(document: Json) -> tuple[str, ...]:
    """The same of a stored document, which was checked when it was saved; much faster than reading all of it."""
    return tuple(dict.fromkeys(node["workflow"] for node in document["nodes"].values() if "workflow" in node))


def find_recursion(name: str, lookup: Uses) -> tuple[str, ...] | None:
    """The way on which `name` comes to run itself (`a, b, a`), or None."""
    came_from: dict[str, str] = {}
    todo = [name]
    while todo:
        current = todo.pop()
        for used in lookup(current) or ():
            if used == name:
                return (*_way(name, current, came_from), name)
            if used not in came_from:
                came_from[used] = current
                todo.append(used)
    return None


def depth(name: str, lookup: Uses) -> int:
    """How many levels of sub-workflows are below `name`; one more than allowed where it goes deeper."""
    level = {name}
    for levels in range(SUB_WORKFLOW_DEPTH_MAX + 1):
        level = {used for current in level for used in lookup(current) or ()}
        if not level:
            return levels
    return SUB_WORKFLOW_DEPTH_MAX + 1


def check_nesting(
    definition: WorkflowDefinition, saved: Mapping[str, tuple[str, ...]], report: Report
) -> None:
    """Report sub-workflows that are not saved yet, and those that would never end or go too deep.

    `saved` has every workflow that can be reached from `definition`, down to the greatest depth.
    """
    own = {definition.name: names_of_sub_workflows(definition)}
    lookup = {**saved, **own}.get
    for node in definition.nodes:
        if node.workflow is None:
            continue
        path = ("nodes", node.name, "workflow")
        if node.workflow not in saved and node.workflow != definition.name:
            message = (
                f"no workflow named '{node.workflow}' is saved yet; a run that comes here fails without it"
            )
            report.warning(path, message)
        elif way := _recursion_through(definition.name, node.workflow, lookup):
            report.error(path, f"a workflow can't run itself: {' → '.join(way)}")
        elif depth(node.workflow, lookup) >= SUB_WORKFLOW_DEPTH_MAX:
            report.error(path, f"more than {SUB_WORKFLOW_DEPTH_MAX} levels of sub-workflows below this one")


def _recursion_through(name: str, used: str, lookup: Uses) -> tuple[str, ...] | None:
    """The way from `name` over `used` back to `name`."""

    def only_through(current: str) -> tuple[str, ...] | None:
        return (used,) if current == name else lookup(current)

    return find_recursion(name, only_through)


def _way(first: str, last: str, came_from: dict[str, str]) -> tuple[str, ...]:
    way = [last]
    while way[-1] != first:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))
