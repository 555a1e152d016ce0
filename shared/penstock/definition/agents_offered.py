"""Whether somebody could run a workflow's nodes now. All of it is a warning: a runner may come later."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from penstock.contracts.value import Value
from penstock.contracts.workflow import Json, WorkflowDefinition
from penstock.definition.document import Path
from penstock.definition.report import Report

NAMES_SHOWN_MAX = 5


class Offered(Value, frozen=True):
    """An agent as one runner has it: its pool, the schema of its input, and why it could not be loaded."""

    pool: str
    input: Json = None
    error: str | None = None
    version: str = ""


Offers: TypeAlias = Mapping[str, Sequence[Offered]]


class _Use(Value, frozen=True):
    """A place of the definition that names an agent."""

    path: Path
    agent: str
    pool: str
    with_: Json


def check_offered(definition: WorkflowDefinition, offers: Offers | None, report: Report) -> None:
    """Warn of agents that nobody offers where the node wants it, and of inputs that they would refuse.

    `offers` is None when no runner is there at all: that is told once.
    """
    uses = list(_uses(definition))
    if offers is None:
        if uses:
            report.warning(("nodes",), "no runner has announced itself: nothing of it runs until one does")
        return
    for use in uses:
        in_pool = [offer for offer in offers.get(use.agent, ()) if offer.pool == use.pool]
        able = [offer for offer in in_pool if offer.error is None]
        if able:
            _check_versions(use, able, report)
        else:
            report.warning((*use.path, "agent"), _why_not(use, in_pool, offers, report))


def _uses(definition: WorkflowDefinition) -> Iterator[_Use]:
    for node in definition.nodes:
        path = ("nodes", node.name)
        if node.agent is not None:
            yield _Use(path, node.agent, node.pool, node.with_)
        if (undo := node.compensate) is not None:
            given = {"input": None, "output": None} if undo.with_ is None else undo.with_
            yield _Use((*path, "compensate"), undo.agent, undo.pool, given)


def _why_not(use: _Use, in_pool: Sequence[Offered], offers: Offers, report: Report) -> str:
    if in_pool:
        return f"agent '{use.agent}' cannot be loaded by a runner of pool '{use.pool}': {in_pool[0].error}"
    until = "a run that comes here waits until one does"
    pools = sorted({offer.pool for offer in offers.get(use.agent, ()) if offer.error is None})
    if pools:
        named = ", ".join(repr(pool) for pool in pools)
        return f"no runner of pool '{use.pool}' offers agent '{use.agent}', only runners of pool {named}; {until}"
    return f"no runner offers agent '{use.agent}': {until}{report.hint(use.agent, offers)}"


def _check_versions(use: _Use, able: Sequence[Offered], report: Report) -> None:
    """Which runner an attempt gets is chance: what one of them would refuse is told, with its version."""
    versions = sorted({offer.version for offer in able})
    if len(versions) > 1:
        named = ", ".join(versions)
        report.warning(
            (*use.path, "agent"),
            f"runners of pool '{use.pool}' have different versions of agent '{use.agent}', {named}; which one an"
            " attempt gets is chance",
        )
    checked: list[Json] = []
    for offer in able:
        if offer.input not in checked:
            checked.append(offer.input)
            of = f" in version {offer.version}" if len(versions) > 1 else ""
            _check_input(use, offer.input, of, report)


def _check_input(use: _Use, schema: Json, of: str, report: Report) -> None:
    """What can be seen without values: fields that the agent's schema requires, or does not know."""
    if not isinstance(schema, dict) or not isinstance(use.with_, dict | None):
        return
    given, path = use.with_ or {}, (*use.path, "with")
    properties, required = schema.get("properties"), schema.get("required")
    missing = [name for name in required if name not in given] if isinstance(required, list) else []
    if missing:
        named = ", ".join(f"'{name}'" for name in missing[:NAMES_SHOWN_MAX])
        report.warning(path, f"agent '{use.agent}'{of} requires {named}")
    if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
        return
    for name in given:
        if name not in properties:
            hint = report.hint(name, properties)
            report.warning((*path, name), f"agent '{use.agent}'{of} takes no '{name}'{hint}")
