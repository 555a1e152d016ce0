"""The library of software-delivery for tests, found as in a sandbox: its folder is on the path."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.packs.conftest import PACKS

PACK = PACKS / "software-delivery"
sys.path.insert(0, str(PACK / "lib"))

from delivery import (  # noqa: E402
    accepting,
    analysis,
    analyst,
    blueprints,
    contract_checks,
    contracts,
    designing,
    document,
    implementing,
    plan,
    requirement_rules,
    review,
    reviewing,
    scaffold,
    selection,
    testing,
    toolbox,
    verdict,
    worktree,
)

__all__ = [
    "accepting",
    "analysis",
    "analyst",
    "blueprints",
    "contract_checks",
    "contracts",
    "designing",
    "document",
    "implementing",
    "plan",
    "requirement_rules",
    "review",
    "reviewing",
    "scaffold",
    "selection",
    "testing",
    "toolbox",
    "verdict",
    "worktree",
]


def analysed(text: str) -> analysis.Analysis:
    return requirement_rules.analyse(document.parse(text))


def begun(found: analysis.Analysis, *, blueprint: str, repository: Path | None = None) -> worktree.Tree:
    """A tree with the plan and the contracts, as the designer leaves it."""
    choice = blueprints.Choice(blueprint, "for a test", "rules")
    tree = worktree.begin(str(repository) if repository else None)
    plan.write(tree, plan.Plan(found, choice), contracts.design(found), requirements="For a test.\n")
    tree.commit("designer", "Design")
    return tree


def built(found: analysis.Analysis, *, blueprint: str, repository: Path | None = None) -> worktree.Tree:
    """A tree with the software and its tests, as implementer and tester leave it without a model."""
    if repository is not None:
        return _build(begun(found, blueprint=blueprint, repository=repository))
    key = f"{blueprint}: {analysis.text_of(found)}"
    if key not in _BUILT:
        _BUILT[key] = _build(begun(found, blueprint=blueprint))
    copy = Path(tempfile.mkdtemp(prefix="delivery-"))
    return worktree.Tree(shutil.copytree(_BUILT[key].folder, copy, dirs_exist_ok=True))


_BUILT: dict[str, worktree.Tree] = {}
"""Built once; each test gets a copy of its own."""


def _build(tree: worktree.Tree) -> worktree.Tree:
    implementing.implement(tree, number=1, feedback=implementing.Feedback(), model="none")
    planned = plan.read(tree)
    tree.write(scaffold.test_files(planned.analysis, planned.blueprint))
    tree.commit("tester", "Test")
    return tree
