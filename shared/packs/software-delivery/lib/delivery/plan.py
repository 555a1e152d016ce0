"""What the team works from, kept in the tree itself: the analysis, the blueprint and the contracts."""

import json
from collections.abc import Set
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from delivery import blueprints
from delivery.analysis import Analysis, of_json
from delivery.blueprints import Blueprint, Choice
from delivery.contracts import CONTRACTS, Document
from delivery.testing import CONFIGURATIONS, is_test
from delivery.worktree import Tree

FILE = "delivery/plan.json"
REQUIREMENTS_FILE = "delivery/requirements.md"
REVIEWS = "delivery/reviews"
GUARDED = ("contracts/", "delivery/", "tests/contract/", "tests/acceptance/")
"""What the implementer may not touch: who is judged does not write the measure."""
_RULES_OF_GIT = (".gitattributes", ".gitmodules")


def is_others(name: str, given: Set[str]) -> bool:
    """Whether a file is not the implementer's: the team's, and what chooses or is the tests of those who gave it."""
    last = PurePosixPath(name).name
    chooses = last in CONFIGURATIONS or last in _RULES_OF_GIT
    if name in given:
        return name.startswith(GUARDED) or chooses or is_test(name)
    return name.startswith(GUARDED) or (chooses and last != "pyproject.toml")


def taken(tree: Tree) -> list[str]:
    """Files of the repository that was given, where the team would have to write its own."""
    own = {f"contracts/{name}.json" for name in CONTRACTS}
    own |= {folder for each in GUARDED for folder in (each.rstrip("/"), each.split("/")[0])}
    return [name for name in sorted(tree.given()) if name in own or name.startswith(GUARDED[1:])]


@dataclass(frozen=True)
class Plan:
    """The analysis, and the choice of a blueprint with its reason."""

    analysis: Analysis
    choice: Choice

    @property
    def blueprint(self) -> Blueprint:
        return blueprints.known()[self.choice.name]


def write(tree: Tree, plan: Plan, contracts: dict[str, Document], *, requirements: str) -> None:
    content = {"analysis": plan.analysis.as_json(), "choice": asdict(plan.choice)}
    files = {FILE: _text(content), REQUIREMENTS_FILE: requirements}
    tree.write(files | {f"contracts/{name}.json": _text(contracts[name]) for name in CONTRACTS})


def read(tree: Tree) -> Plan:
    content = json.loads((tree.folder / FILE).read_text(encoding="utf-8"))
    return Plan(of_json(content["analysis"]), Choice(**content["choice"]))


def contracts(tree: Tree) -> dict[str, Document]:
    return {
        name: json.loads((tree.folder / f"contracts/{name}.json").read_text(encoding="utf-8"))
        for name in CONTRACTS
    }


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
