"""Packs: folders with workflows beside the agents that run them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from penstock.contracts.workflow import Json
from penstock.definition.parse import parse

AGENTS_FOLDER = "agents"
STORE_FILE = "store.yaml"
NOT_WORKFLOWS = frozenset({"agent.yaml", STORE_FILE})


def packs_in(tops: Sequence[Path]) -> Iterator[Path]:
    """The packs among these folders and their children."""
    for top in tops:
        for folder in (top, *sorted(path for path in top.iterdir() if path.is_dir())):
            if (folder / AGENTS_FOLDER).is_dir():
                yield folder


def workflow_files(tops: Sequence[Path]) -> list[Path]:
    """The workflows of all packs; one in an earlier folder takes the place of a later one's namesake."""
    files: dict[str, Path] = {}
    for pack in packs_in(tops):
        for file in sorted(pack.glob("*.yaml")):
            if file.name not in NOT_WORKFLOWS:
                files.setdefault(_name_of(file), file)
    return used_first(files.values())


def used_first(files: Iterable[Path]) -> list[Path]:
    """The same, each after those whose workflows it runs: saved in this order, none names one that is not there."""
    waiting = [(file, _name_of(file), _names_used(file)) for file in files]
    ordered: list[Path] = []
    while waiting:
        names = {name for _, name, _ in waiting}
        ready = [entry for entry in waiting if not entry[2] & (names - {entry[1]})] or waiting
        ordered += [file for file, _, _ in ready]
        waiting = [entry for entry in waiting if entry not in ready]
    return ordered


def store_files(tops: Sequence[Path]) -> list[Path]:
    """What packs declare as their stores; one in an earlier folder takes the place of a later one's namesake."""
    files: dict[str, Path] = {}
    for pack in packs_in(tops):
        file = pack / STORE_FILE
        if file.is_file():
            files.setdefault(_name_of(file), file)
    return list(files.values())


def workflows_of(pack: Path) -> list[str]:
    """Names of a pack's workflows."""
    files = sorted(pack.glob("*.yaml"))
    return [_name_of(file) for file in files if file.name not in NOT_WORKFLOWS]


def agents_of(pack: Path) -> list[str]:
    """Names of a pack's agents."""
    return [_name_of(file) for file in sorted(pack.glob(f"{AGENTS_FOLDER}/*/agent.yaml"))]


def description_of(pack: Path) -> str:
    """The first sentence of its README below the heading."""
    readme = pack / "README.md"
    lines = readme.read_text().splitlines() if readme.is_file() else []
    body = " ".join(line for line in lines if not line.startswith("#")).strip()
    return body.split(". ")[0].rstrip(".")


def _name_of(file: Path) -> str:
    """As the file says; its path, if it does not say: saving it will tell what is wrong with it."""
    name = _mapping_in(parse(file.read_bytes()).value).get("name")
    return name if isinstance(name, str) else str(file)


def _names_used(file: Path) -> set[str]:
    """The sub-workflows that its nodes name."""
    nodes = _mapping_in(_mapping_in(parse(file.read_bytes()).value).get("nodes")).values()
    used = (_mapping_in(node).get("workflow") for node in nodes)
    return {name for name in used if isinstance(name, str)}


def _mapping_in(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
