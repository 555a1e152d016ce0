"""The tester of the team."""

from dataclasses import replace
from typing import Any

from delivery import accepting, plan, scaffold, worktree
from delivery.implementing import Feedback
from delivery.testing import FAILURES_SHOWN, TestRun, run_tests
from delivery.worktree import Tree

from penstock.agents import agent, context


@agent
def run_all_tests(
    bundle: str, round: int, feedback: Feedback | None = None, notes: str = "", model: str = "default"
) -> dict[str, Any]:
    """Red tests are a result, and no failure of the agent."""
    tree = worktree.opened(bundle)
    _write(tree, number=round, feedback=replace(feedback or Feedback(), notes=notes), model=model)
    found = run_tests(tree)
    context.log("tests", green=found.is_green, **found.counts)
    return {"bundle": tree.bundle(context.out_folder / "tested.bundle"), **_told(found)}


def _write(tree: Tree, *, number: int, feedback: Feedback, model: str) -> None:
    """The tests of the contracts are written again in each round: nobody else's change to them counts."""
    planned = plan.read(tree)
    tree.write(scaffold.test_files(planned.analysis, planned.blueprint))
    accepting.write_tests(tree, number=number, feedback=feedback, model=model)
    tree.commit("tester", f"Round {number}: test the contracts")


def _told(found: TestRun) -> dict[str, Any]:
    output = context.out_folder / "pytest.txt"
    output.write_text(found.output, encoding="utf-8")
    junit = context.out_folder / "junit.xml"
    if found.junit:
        junit.write_text(found.junit, encoding="utf-8")
    return {
        "green": found.is_green,
        "counts": found.counts,
        "failures": found.failures[:FAILURES_SHOWN],
        "covered": found.covered(),
        "output": output,
        "junit": junit if found.junit else None,
    }
