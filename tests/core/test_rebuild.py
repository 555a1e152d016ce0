"""A run read back from rows is the run that was in memory."""

import pytest

from orchestrator.domain.events import RetryRequested
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.rebuild import catch_up, rebuild, units_named
from orchestrator.domain.run import Run
from penstock.contracts.value import replace
from penstock.contracts.workflow import OnFailure
from tests.builders import BROKEN, Story, node, plan, rows_of


def read_back(run: Run, rows: dict[str, Node]) -> Run:
    return rebuild(replace(run, nodes=run.plan.beginning), rows)


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


def catch_up_with(known: Run, now: Run, *names: str) -> Run:
    rows = rows_of(now)
    return catch_up(replace(now, nodes=now.plan.beginning), known, {name: rows[name] for name in names})


def test_a_run_catches_up_by_the_nodes_that_changed() -> None:
    story = Story(plan(node("a"), node("b"), node("c", "a", "b"), node("d", "c")))
    known = story.run
    story.succeed("a")
    story.claim("b")

    again = catch_up_with(known, story.run, "a", "b")

    assert again == replace(read_back(story.run, rows_of(story.run)), nodes=again.nodes)
    assert again.nodes["c"].unresolved == 1
    for name, node_now in story.run.nodes.items():
        assert replace(again.nodes[name], wake_in=None) == replace(node_now, wake_in=None)


def test_a_node_that_began_or_went_back_meanwhile_is_not_counted_twice() -> None:
    story = Story(plan(node("a"), node("b", "a"), node("c", "b"), on_failure=OnFailure.CONTINUE))
    story.fail("a", BROKEN)
    known = story.run
    story.tell(RetryRequested(by="ada"))
    story.succeed("a")

    again = catch_up_with(known, story.run, "a", "b", "c")

    assert again == replace(read_back(story.run, rows_of(story.run)), nodes=again.nodes)
    assert (again.nodes["b"].state, again.nodes["c"].unresolved) == (NodeState.READY, 1)
    assert again.nodes["c"].has_row


def test_catching_up_without_all_that_changed_is_refused() -> None:
    story = Story(plan(node("a"), node("b", "a")))
    known = story.run
    story.succeed("a")

    with pytest.raises(AssertionError, match="waits for nothing"):
        catch_up_with(known, story.run, "a")


def test_an_event_names_the_node_whose_item_or_undo_it_is_about() -> None:
    assert units_named(["scan"]) == {"scan"}
    assert units_named(["patch[17]"]) == {"patch[17]", "patch"}
    assert units_named(["charge:undo"]) == {"charge:undo", "charge"}
    assert units_named(["patch[17]:undo"]) == {"patch[17]:undo", "patch[17]", "patch"}
