"""The agents that this runner offers: found in folders, checked, their schemas compiled once."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent_runner.modes.launch import why_not_startable
from penstock.contracts.agent import AgentManifest, AgentOffer
from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.names import did_you_mean
from penstock.contracts.workflow import Json
from penstock.definition.agent import load_agent
from penstock.definition.values import check_value

MANIFEST_FILE = "agent.yaml"
# An agent, agents, a pack, packs.
_PLACES = (MANIFEST_FILE, f"*/{MANIFEST_FILE}", f"agents/*/{MANIFEST_FILE}", f"*/agents/*/{MANIFEST_FILE}")

_NAME_LINE = re.compile(r"""^name:[ \t]*["']?([a-z][a-z0-9-]{0,62})["']?[ \t]*(?:#.*)?$""", re.MULTILINE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Agent:
    """An agent that can be run. `wrong_input(value)` says what its schema has against a value, or nothing."""

    manifest: AgentManifest
    wrong_input: Callable[[Json], str] | None  # None: anything goes
    wrong_output: Callable[[Json], str] | None


class Catalogue:
    """By name. An agent that cannot be loaded is offered with its error, so that people see why."""

    def __init__(self, agents: Mapping[str, Agent], broken: Sequence[AgentOffer] = ()) -> None:
        self._agents = dict(agents)
        self._broken = tuple(broken)

    def agent(self, name: str) -> Agent | None:
        return self._agents.get(name)

    def why_not(self, name: str) -> str:
        """Why `name` cannot be run here."""
        for offer in self._broken:
            if offer.name == name and offer.error:
                return offer.error
        return f"no agent named '{name}' here{did_you_mean(name, self._agents)}"

    def offers(self) -> tuple[AgentOffer, ...]:
        return tuple(_offer(agent.manifest) for agent in self._agents.values()) + self._broken


def read_catalogue(folders: Sequence[Path]) -> Catalogue:
    """Every agent below `folders`. What an earlier folder has takes the place of a later one's namesake, also if it
    cannot be loaded; of two with the same name in one folder the first is offered, and the other is an error.
    """
    agents: dict[str, Agent] = {}
    broken: list[AgentOffer] = []
    for top in folders:
        here: dict[str, Agent] = {}
        taken = {*agents, *(offer.name for offer in broken)}
        for folder in _agent_folders(top):
            try:
                _add(here, compiled(_startable(load_agent(folder))))
            except (InvalidInput, OSError) as error:
                broken.append(_refused(folder, error))
        agents |= {name: agent for name, agent in here.items() if not _is_replaced(agent, taken)}
    return Catalogue(agents, broken)


def _startable(manifest: AgentManifest) -> AgentManifest:
    """What every attempt would fail of is told now. Whether its imports are there shows in a sandbox only."""
    if missing := why_not_startable(manifest):
        raise InvalidInput.at("command", missing)
    return manifest


def _add(agents: dict[str, Agent], agent: Agent) -> None:
    first = agents.setdefault(agent.manifest.name, agent)
    if first is not agent:
        raise InvalidInput.at(
            "name", f"'{agent.manifest.name}' is already the agent in {first.manifest.folder}"
        )


def _is_replaced(agent: Agent, taken: Collection[str]) -> bool:
    replaced = agent.manifest.name in taken
    if replaced:
        log.info("catalogue.agent_replaced", agent=agent.manifest.name, folder=agent.manifest.folder)
    return replaced


def _refused(folder: Path, error: InvalidInput | OSError) -> AgentOffer:
    log.error("catalogue.agent_refused", folder=str(folder), reason=_reason(error))
    return AgentOffer(name=_name_in(folder), version="?", error=f"{folder / MANIFEST_FILE}: {_reason(error)}")


def _name_in(folder: Path) -> str:
    """As the file says, so that it takes that agent's place; the folder's, if it does not say."""
    try:
        said = _NAME_LINE.search((folder / MANIFEST_FILE).read_text(errors="replace"))
    except OSError:
        return folder.name
    return said[1] if said else folder.name


def _agent_folders(top: Path) -> Iterator[Path]:
    seen: set[Path] = set()
    for place in _PLACES:
        for file in sorted(top.glob(place)):
            if file.parent.resolve() not in seen:
                seen.add(file.parent.resolve())
                yield file.parent


def compiled(manifest: AgentManifest) -> Agent:
    """The agent, ready to be run. Its schemas are valid: they were checked when it was loaded."""
    return Agent(
        manifest=manifest,
        wrong_input=_checker(manifest.input, "input"),
        wrong_output=_checker(manifest.output, "output"),
    )


def _checker(schema: Json, where: str) -> Callable[[Json], str] | None:
    if schema is None or schema is True or schema == {}:
        return None

    def wrong(value: Json) -> str:
        return "; ".join(
            f"{problem.path}: {problem.message}" for problem in check_value(schema, value, where)
        )

    return wrong


def _offer(manifest: AgentManifest) -> AgentOffer:
    return AgentOffer(
        name=manifest.name,
        version=manifest.version,
        description=manifest.description,
        input=manifest.input,
        output=manifest.output,
        reuse=manifest.reuse,
        secrets=manifest.secrets,
        models=manifest.models,
        stores=manifest.stores,
        network=manifest.sandbox.network,
    )


def _reason(error: InvalidInput | OSError) -> str:
    return "; ".join(map(_told, getattr(error, "problems", ()))) or str(error)


def _told(problem: Problem) -> str:
    line = f"line {problem.line}: " if problem.line else ""
    return f"{line}{problem.path}: {problem.message}" if problem.path else f"{line}{problem.message}"
