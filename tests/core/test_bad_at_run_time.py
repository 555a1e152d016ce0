"""What passed the validation and goes wrong when it runs: each ends in a failure that names the place and why."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.domain.events import CacheAnswered, CompensateRequested
from orchestrator.domain.run import PauseCause, RunState
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import FOREACH_BYTES_MAX, FOREACH_ITEMS_MAX
from penstock.contracts.workflow import (
    ApprovalDefinition,
    CacheDefinition,
    Compensation,
    ForeachDefinition,
    NodeDefinition,
    RepeatDefinition,
    WaitDefinition,
)
from tests.builders import NO_RETRY, Story, node, plan

BAD = "${{ inputs.absent }}"
HOUR = timedelta(hours=1)


def failure_of(story: Story, name: str = "it") -> Failure:
    failure = story.run.nodes[name].failure
    assert failure is not None, f"'{name}' did not fail: {story.states()}"
    return failure


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (node("it", with_={"x": BAD}), "with"),
        (node("it", if_=BAD), "if"),
        (node("it", foreach=ForeachDefinition(items=BAD)), "foreach"),
        (node("it", foreach=ForeachDefinition(items=["a", BAD])), "foreach"),
        (node("it", cache=CacheDefinition(key=BAD, ttl=HOUR)), "cache.key"),
        (node("it", workflow="child", with_={"x": BAD}), "with"),
        (node("it", wait=WaitDefinition(duration=BAD)), "wait.duration"),
        (node("it", wait=WaitDefinition(until=BAD)), "wait.until"),
        (node("it", approval=ApprovalDefinition(message=f"{BAD}?")), "approval.message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_expression_that_fails_when_a_node_begins_fails_it(definition: NodeDefinition, place: str) -> None:
    story = Story(plan(definition))

    failure = failure_of(story)
    assert failure.message == f"{place}: {BAD}: no such key: absent"
    assert (failure.type, failure.error_class) == ("ExpressionFailed", ErrorClass.VALIDATION)
    assert story.run.state is RunState.FAILED
    assert story.run.failure is not None
    assert story.run.failure.message == f"node 'it' failed: {failure.message}"


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (node("it", foreach=ForeachDefinition(items=[1, 2]), with_=BAD), "with"),
        (
            node("it", foreach=ForeachDefinition(items=[1]), cache=CacheDefinition(key=BAD, ttl=HOUR)),
            "cache.key",
        ),
    ],
)
def test_one_that_fails_for_an_item_fails_the_item_and_tells_which(
    definition: NodeDefinition, place: str
) -> None:
    story = Story(plan(definition))

    assert failure_of(story, "it[0]").message == f"{place}: {BAD}: no such key: absent"
    assert f"items failed; the first, it[0]: {place}: {BAD}" in failure_of(story).message


def test_one_in_until_fails_the_node_though_its_agent_succeeded() -> None:
    story = Story(plan(node("it", repeat=RepeatDefinition(until="${{ output.score == 1 }}", max_=3))))

    story.succeed("it", b'{"text": "no score"}')

    assert failure_of(story).message == "repeat.until: ${{ output.score == 1 }}: no such key: score"


def test_one_in_the_second_iteration_fails_the_node() -> None:
    repeat = RepeatDefinition(until="${{ output.done }}", max_=3)
    cache = CacheDefinition(key="${{ previous }}", ttl=HOUR)
    story = Story(plan(node("it", repeat=repeat, cache=cache, with_={"x": "${{ previous.text }}"}, if_=None)))
    assert failure_of(story).message.startswith("with: ${{ previous.text }}")


def test_one_in_an_undoing_parks_the_run_for_a_person() -> None:
    undo = Compensation(agent="undoer", with_={"id": "${{ output.id }}"})
    story = Story(plan(node("it", compensate=undo)))
    story.succeed("it", b"{}")

    story.tell(CompensateRequested(by="ada", reason="wrong"))

    assert failure_of(story, "it:undo").message == "compensate.with: ${{ output.id }}: no such key: id"
    assert story.states()["it"] == "compensation_failed"
    assert story.run.pause is not None
    assert (story.run.pause.cause, story.run.pause.reason) == (
        PauseCause.COMPENSATION,
        "could not undo it: retry or skip",
    )


def test_one_in_the_output_fails_the_run() -> None:
    story = Story(plan(node("it"), output={"x": BAD}))

    story.succeed("it")

    assert story.run.failure is not None
    assert story.run.failure.message == f"output: {BAD}: no such key: absent"
    assert story.run.state is RunState.FAILED


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"if_": "${{ inputs.n }}"}, "if: ${{ inputs.n }}: expected true or false, got 3"),
        ({"foreach": ForeachDefinition(items="${{ inputs.n }}")}, "foreach: expected a list, got int: 3"),
        ({"foreach": ForeachDefinition(items="${{ inputs.text }}")}, "foreach: expected a list, got str: soon"),
        ({"foreach": ForeachDefinition(items="${{ inputs.map }}")}, "foreach: expected a list, got dict"),
        ({"wait": WaitDefinition(duration="${{ inputs.text }}")}, "wait.duration: expected a duration"),
        ({"wait": WaitDefinition(duration="${{ inputs.n }}")}, "got 3"),
        ({"wait": WaitDefinition(duration="${{ inputs.n }}0d")}, "at most 30d, got '30d'"),
        ({"wait": WaitDefinition(duration="${{ inputs.n }}1d")}, "at most 30d, got '31d'"),
        ({"wait": WaitDefinition(until="${{ inputs.text }}")}, "wait.until: expected a moment"),
        ({"wait": WaitDefinition(until="${{ inputs.n }}")}, "got 3"),
        ({"wait": WaitDefinition(until="000${{ inputs.one }}-01-01T00:00:00+14:00")}, "wait.until: expected a moment"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_fails_the_node(fields: dict[str, Any], said: str) -> None:
    input = b'{"n": 3, "one": 1, "text": "soon", "map": {"a": 1}}'
    story = Story(plan(node("it", **fields)), input=input)

    if "'30d'" in said:  # that is not too long
        assert story.states()["it"] == "suspended"
    else:
        assert said in failure_of(story).message


def test_an_until_that_is_no_bool_fails_the_node() -> None:
    story = Story(plan(node("it", repeat=RepeatDefinition(until="${{ output.text }}", max_=3))))

    story.succeed("it", b'{"text": "yes"}')

    assert failure_of(story).message == "repeat.until: ${{ output.text }}: expected true or false, got yes"


def test_more_items_than_allowed_fail_the_node_before_any_begins() -> None:
    values = b",".join([b"0"] * (FOREACH_ITEMS_MAX + 1))
    story = Story(
        plan(node("it", foreach=ForeachDefinition(items="${{ inputs.all }}"))),
        input=b'{"all": [' + values + b"]}",
    )

    assert failure_of(story).message == "foreach: the list has 100001 items, the limit is 100000"
    assert list(dict(story.run.nodes.items())) == ["it"]


def test_a_list_of_outputs_that_is_too_large_fails_the_node_and_says_what_to_do() -> None:
    story = Story(plan(node("it", foreach=ForeachDefinition(items=[1, 2, 3]), retry=NO_RETRY)))
    large = b'"' + b"x" * (FOREACH_BYTES_MAX // 2) + b'"'

    for item in ("it[0]", "it[1]", "it[2]"):
        story.succeed(item, large)

    failure = failure_of(story)
    assert failure.type == "TooLarge"
    assert "the list of the items' outputs has" in failure.message
    assert "hand over large values as artifacts" in failure.message
    assert story.run.state is RunState.FAILED


def test_an_answer_of_the_cache_that_nobody_waits_for_changes_nothing() -> None:
    story = Story(plan(node("it")))

    decision = story.tell(CacheAnswered("it", 1, "key", b"{}", story.run.id))

    assert not decision.facts
    assert story.states()["it"] == "ready"
