"""The tester of the team."""

from dataclasses import replace
from typing import Any

from delivery import accepting, plan, scaffold, worktree
from delivery.implementing import Feedback
from delivery.testing import FAILURES_SHOWN, TestRun, run_tests
from delivery.worktree import GitFailed, Tree

from penstock.agents import Invalid, agent, context


@agent
def run_all_tests(
    bundle: str,
    round: int,
    feedback: Feedback | None = None,
    notes: str = "",
    model: str = "default",
    before: str | None = None,
) -> dict[str, Any]:
    """Red tests are a result, and no failure of the agent. `commit` is what they saw, whatever they did to it."""
    tree = worktree.opened(bundle)
    if before:
        _check(tree, before)
    _write(tree, number=round, feedback=replace(feedback or Feedback(), notes=notes), model=model)
    seen = tree.head()
    found = run_tests(tree)
    context.log("tests", green=found.is_green, **found.counts)
    return {"bundle": tree.bundle(context.out_folder / "tested.bundle"), "commit": seen, **_told(found)}


def _check(tree: Tree, before: str) -> None:
    """Code that the implementer has run could have written where its tools could not."""
    try:
        changed = tree.changed_since(before)
    except GitFailed as error:
        raise Invalid(f"the implementer has rewritten the history that it was given: {error}") from error
    given = tree.given()
    if others := [name for name in changed if plan.is_others(name, given)]:
        raise Invalid(f"the implementer has changed what belongs to others: {', '.join(others[:10])}")


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
