"""`foreach`: a node once for each item, in a window, its output the list in order."""

import pytest

from orchestrator.domain.decision import PublishReady
from orchestrator.domain.events import PauseRequested, ResumeRequested, RetryRequested
from orchestrator.domain.run import RunState
from penstock.contracts.workflow import ForeachDefinition, Json, OnFailure, RepeatDefinition
from tests.builders import NO_RETRY, SHAKY, Story, node, plan, retrying


def each(items: Json, **fields: object) -> ForeachDefinition:
    return ForeachDefinition(items=items, **fields)  # type: ignore[arg-type]


def patching(items: Json, *more: object, **fields: object) -> Story:
    retry = fields.pop("retry", NO_RETRY)
    on_failure = fields.pop("on_failure", OnFailure.STOP)
    patch = node("patch", foreach=each(items, **fields), retry=retry, with_={"file": "${{ item }}"})
    return Story(plan(patch, node("report", "patch"), on_failure=on_failure))  # type: ignore[arg-type]


def test_items_begin_in_a_window_and_the_output_is_the_list_in_order() -> None:
    story = patching(["a", "b", "c"], max_parallel=2)
    assert story.states() == {
        "patch": "running",
        "report": "waiting",
        "patch[0]": "ready",
        "patch[1]": "ready",
    }
    assert story.run.nodes["patch[1]"].input == b'{"file":"b"}'

    story.succeed("patch[1]", b"2")
    story.succeed("patch[2]", b"3")
    story.succeed("patch[0]", b"1")

    assert story.run.nodes["patch"].output == b"[1,2,3]"
    assert story.states()["report"] == "ready"
    assert story.run.open_nodes == 1


def test_no_items_are_an_empty_list() -> None:
    story = patching([])

    assert story.run.nodes["patch"].output == b"[]"
    assert story.states()["report"] == "ready"


def test_a_list_from_an_expression_and_the_index() -> None:
    patch = node("patch", foreach=each("${{ inputs.files }}"), with_=["${{ item }}", "${{ index }}"])
    story = Story(plan(patch), input=b'{"files": ["x", "y"]}')

    assert [story.run.nodes[f"patch[{place}]"].input for place in (0, 1)] == [b'["x",0]', b'["y",1]']


def test_what_is_no_list_fails_the_node() -> None:
    story = Story(plan(node("patch", foreach=each("${{ inputs.n }}"))), input=b'{"n": 3}')

    failure = story.run.nodes["patch"].failure
    assert failure is not None
    assert failure.type == "NotAList"
    assert "expected a list, got int" in failure.message


def test_an_item_is_retried_alone() -> None:
    story = patching(["a", "b"], retry=retrying(2))

    story.fail("patch[0]", SHAKY)
    story.succeed("patch[1]", b"2")
    assert story.states()["patch[0]"] == "backoff"
    story.due("patch[0]")
    story.succeed("patch[0]", b"1")

    assert story.run.nodes["patch"].output == b"[1,2]"


def test_one_failure_too_many_begins_nothing_new_and_fails_the_node_when_the_last_has_ended() -> None:
    story = patching(["a", "b", "c", "d"], max_parallel=3)
    story.claim("patch[1]")

    story.fail("patch[0]")
    assert story.states()["patch"] == "running"
    assert story.states()["patch[2]"] == "cancelled"
    story.succeed("patch[1]")

    assert "patch[3]" not in story.run.nodes
    failure = story.run.nodes["patch"].failure
    assert failure is not None
    assert failure.message == "1 of 4 items failed; the first, patch[0]: it broke"
    assert story.run.state is RunState.FAILED


@pytest.mark.parametrize("tolerated", [{"failures_max": 1}, {"failures_share": 0.5}])
def test_tolerated_failures_leave_null_in_their_place(tolerated: dict[str, float]) -> None:
    story = patching(["a", "b"], **tolerated)

    story.fail("patch[0]")
    story.succeed("patch[1]", b"2")

    assert story.run.nodes["patch"].output == b"[null,2]"


def test_cancel_stops_open_items_and_the_node_with_them() -> None:
    story = patching(["a", "b", "c"], max_parallel=2)
    story.claim("patch[0]")

    story.cancel()
    assert story.run.state is RunState.CANCELLING
    story.succeed("patch[0]", b"1")

    assert story.states()["patch"] == "cancelled"
    assert story.run.state is RunState.CANCELLED


def test_a_retried_run_keeps_the_items_that_succeeded() -> None:
    story = patching(["a", "b", "c"], max_parallel=3)
    story.succeed("patch[1]", b"2")
    story.fail("patch[0]")

    story.tell(RetryRequested(by="ada"))
    assert story.states()["patch[1]"] == "succeeded"
    story.succeed("patch[0]", b"1")
    story.succeed("patch[2]", b"3")

    assert story.run.nodes["patch"].output == b"[1,2,3]"


def test_a_paused_run_begins_no_item_and_goes_on_where_it_was() -> None:
    story = patching(["a", "b", "c"], max_parallel=1)
    story.claim("patch[0]")
    story.tell(PauseRequested(by="ada"))

    story.succeed("patch[0]", b"1")
    assert "patch[1]" not in story.run.nodes
    decision = story.tell(ResumeRequested(by="ada"))

    assert decision.commands == (PublishReady("patch[1]", 1, 1),)


def test_cancel_ends_a_paused_node_between_two_items() -> None:
    story = patching(["a", "b"], max_parallel=1)
    story.claim("patch[0]")
    story.tell(PauseRequested(by="ada"))
    story.succeed("patch[0]", b"1")

    story.cancel()

    assert story.states()["patch"] == "cancelled"
    assert story.run.state is RunState.CANCELLED


def test_an_item_of_a_retried_node_waits_for_its_turn_where_it_was_left() -> None:
    story = patching(["a", "b", "c"], max_parallel=1, failures_max=2)
    for place in range(3):
        story.fail(f"patch[{place}]")
    story.tell(RetryRequested(by="ada"))
    assert story.states()["patch[0]"] == "ready"
    assert story.states()["patch[1]"] == "failed"

    story.cancel()

    assert story.run.state is RunState.CANCELLED
    assert story.states()["patch[1]"] == "failed"


def test_items_are_repeated_and_their_node_is_not() -> None:
    repeat = RepeatDefinition(until="${{ output.go }}", max_=2)
    story = Story(plan(node("patch", foreach=each(["a"]), repeat=repeat)))

    story.succeed("patch[0]", b'{"go":false}')
    story.succeed("patch[0]", b'{"go":true}')

    assert story.run.nodes["patch"].output == b'[{"go":true}]'
    assert story.run.state is RunState.SUCCEEDED


def test_another_nodes_failure_stops_the_items_that_have_not_begun() -> None:
    patch = node("patch", foreach=each([1, 2, 3], max_parallel=2), retry=NO_RETRY)
    story = Story(plan(patch, node("other", retry=NO_RETRY)))
    story.claim("patch[0]")

    story.fail("other")
    story.succeed("patch[0]")

    assert story.states()["patch"] == "cancelled"
    assert story.run.state is RunState.FAILED


def test_ten_thousand_items_cost_each_the_same() -> None:
    story = patching([0] * 10_000, max_parallel=64)

    for place in range(10_000):
        story.run = story.run  # each item's end touches a handful of units
        if place % 1000 == 0:
            assert len(story.last.changed) <= 65
        _succeed_unchecked(story, f"patch[{place}]")

    assert story.run.nodes["patch"].output == b"[" + b",".join([b"1"] * 10_000) + b"]"


def _succeed_unchecked(story: Story, name: str) -> None:
    """Without the check of all units at each step, which is what would be quadratic here."""
    from orchestrator.domain.decide import decide
    from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded
    from tests.builders import evaluate, token

    held = token(name)
    claimed = decide(story.run, AttemptClaimed(name, 1, held, "r1"), evaluate=evaluate)
    story.last = decide(claimed.run, AttemptSucceeded(name, 1, held, b"1"), evaluate=evaluate)
    story.run = story.last.run
