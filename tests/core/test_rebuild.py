"""A run read back from rows is the run that was in memory."""

import pytest

from orchestrator.domain.events import RetryRequested
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.rebuild import rebuild
from orchestrator.domain.run import Run
from penstock.contracts.value import replace
from penstock.contracts.workflow import OnFailure
from tests.builders import BROKEN, Story, node, plan


def read_back(run: Run, rows: dict[str, Node]) -> Run:
    return rebuild(replace(run, nodes=run.plan.beginning), rows)


def rows_of(run: Run) -> dict[str, Node]:
    """What the store keeps: nodes that left `waiting`, without what follows from the plan."""
    return {
        name: replace(node, unresolved=0, wake_in=None, was_reset=False)
        for name, node in run.nodes.items()
        if node.has_row
    }


def test_a_run_in_the_middle_of_its_life_comes_back_with_its_counters() -> None:
    story = Story(plan(node("a"), node("b"), node("c", "a", "b"), node("d", "c")))
    story.succeed("a")
    story.claim("b")

    again = read_back(story.run, rows_of(story.run))

    assert set(rows_of(story.run)) == {"a", "b"}
    assert again.nodes["c"].unresolved == 1
    assert (again.open_nodes, again.active_nodes, again.failed_nodes) == (3, 1, 0)
    for name, known in story.run.nodes.items():
        assert again.nodes[name] == replace(known, wake_in=None)


def test_a_node_that_a_retry_sent_back_comes_back_with_its_row() -> None:
    story = Story(plan(node("a"), node("b", "a"), on_failure=OnFailure.CONTINUE))
    story.fail("a", BROKEN)
    story.tell(RetryRequested(by="ada"))

    again = read_back(story.run, rows_of(story.run))

    assert again.nodes["b"].has_row
    assert again.nodes["b"].unresolved == 1


def test_rows_that_contradict_each_other_are_refused() -> None:
    story = Story(plan(node("a"), node("b", "a")))
    rows = {"a": replace(rows_of(story.run)["a"], state=NodeState.RUNNING)}

    with pytest.raises(AssertionError, match="runs nowhere"):
        read_back(story.run, rows)


def test_rows_of_another_plan_are_refused() -> None:
    story = Story(plan(node("a")))

    with pytest.raises(AssertionError, match="no node"):
        read_back(story.run, {"z": Node()})
