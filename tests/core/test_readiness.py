"""Who begins when its needs have ended: edges, conditions, inputs, skips."""

import pytest

from orchestrator.domain.run import RunState
from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import EVENT_OUTPUT_BYTES_MAX, NODE_INPUT_BYTES_MAX
from penstock.contracts.wire import raw
from penstock.contracts.workflow import OnFailure, RunIf
from tests.builders import BROKEN, Story, node, plan

CONTINUE = {"on_failure": OnFailure.CONTINUE}


def test_a_join_waits_for_both_branches() -> None:
    story = Story(plan(node("a"), node("b"), node("join", "a", "b")))

    story.succeed("a")
    assert story.states()["join"] == "waiting"
    story.succeed("b")
    assert story.states()["join"] == "ready"


def test_one_end_can_make_many_ready() -> None:
    story = Story(plan(node("a"), node("b", "a"), node("c", "a"), node("d", "a")))

    decision = story.succeed("a")

    assert [command.node for command in decision.commands] == ["b", "c", "d"]
    assert decision.changed == ("a", "b", "c", "d")


def test_a_node_that_only_waits_is_not_written() -> None:
    story = Story(plan(node("a"), node("b"), node("join", "a", "b")))

    assert story.succeed("a").changed == ("a",)


def test_a_reference_is_an_edge_and_hands_over_the_value() -> None:
    story = Story(plan(node("sign-off"), node("b", with_={"x": "${{ nodes.sign-off.output.x }}"})))

    story.succeed("sign-off", b'{"x":[1,2]}')

    assert story.run.nodes["b"].input == b'{"x":[1,2]}'


def test_an_input_may_speak_of_the_run_and_its_inputs() -> None:
    template = {"who": "${{ inputs.name }}", "of": "${{ run.workflow }}/${{ run.version }}"}

    story = Story(plan(node("a", with_=template)), input=b'{"name":"ada"}')

    assert story.run.nodes["a"].input == b'{"who":"ada","of":"demo/1"}'


def test_a_false_condition_skips_the_node_and_all_that_need_it() -> None:
    story = Story(plan(node("a"), node("b", if_="${{ nodes.a.output.go }}"), node("c", "b"), node("d", "c")))

    decision = story.succeed("a", b'{"go":false}')

    assert story.states() == {"a": "succeeded", "b": "skipped", "c": "skipped", "d": "skipped"}
    assert [fact.data.get("reason") for fact in decision.facts if fact.kind == "node.skipped"] == [
        "its condition is false: ${{ nodes.a.output.go }}",
        "node 'b' was skipped",
        "node 'c' was skipped",
    ]
    assert story.run.state is RunState.SUCCEEDED


def test_a_true_condition_lets_the_node_begin() -> None:
    story = Story(plan(node("a"), node("b", if_="${{ nodes.a.output.go }}")))

    story.succeed("a", b'{"go":true}')

    assert story.states()["b"] == "ready"


def test_a_run_whose_roots_are_all_skipped_ends_at_once() -> None:
    story = Story(plan(node("a", if_="${{ false }}"), node("b", "a")))

    assert story.run.state is RunState.SUCCEEDED
    assert story.kinds() == ["run.started", "node.skipped a", "node.skipped b", "run.succeeded"]
    assert story.last.commands == ()


@pytest.mark.parametrize(
    ("run_if", "ends", "becomes"),
    [
        (RunIf.ALL_SUCCEEDED, ("succeeded", "succeeded"), "ready"),
        (RunIf.ALL_SUCCEEDED, ("succeeded", "skipped"), "skipped"),
        (RunIf.ALL_SUCCEEDED, ("succeeded", "failed"), "skipped"),
        (RunIf.ANY_SUCCEEDED, ("succeeded", "failed"), "ready"),
        (RunIf.ANY_SUCCEEDED, ("skipped", "succeeded"), "ready"),
        (RunIf.ANY_SUCCEEDED, ("skipped", "failed"), "skipped"),
        (RunIf.ALL_DONE, ("skipped", "failed"), "ready"),
        (RunIf.ALL_DONE, ("skipped", "skipped"), "ready"),
    ],
)
def test_run_if_looks_at_how_all_needs_ended(run_if: RunIf, ends: tuple[str, str], becomes: str) -> None:
    needs = [
        node(name, if_="${{ false }}" if end == "skipped" else None)
        for name, end in zip("ab", ends, strict=True)
    ]
    story = Story(plan(*needs, node("join", "a", "b", run_if=run_if), node("other"), **CONTINUE))

    for name, end in zip("ab", ends, strict=True):
        if end == "succeeded":
            story.succeed(name)
        elif end == "failed":
            story.fail(name, BROKEN)

    assert story.states()["join"] == becomes


def test_a_dependent_of_a_skipped_node_sees_its_state_and_an_empty_output() -> None:
    seen = {"state": "${{ nodes.a.state }}", "output": "${{ nodes.a.output }}"}
    story = Story(plan(node("a", if_="${{ false }}"), node("b", with_=seen, run_if=RunIf.ALL_DONE)))

    assert story.run.nodes["b"].input == b'{"state":"skipped","output":{}}'


def test_a_failing_condition_fails_the_node_with_expression_and_reason() -> None:
    story = Story(plan(node("a"), node("b", if_="${{ nodes.a.output.typo }}")))

    story.succeed("a", b'{"go":true}')

    failure = story.run.nodes["b"].failure
    assert failure is not None
    assert failure.error_class is ErrorClass.VALIDATION
    assert failure.message == "if: ${{ nodes.a.output.typo }}: no such key: typo"
    assert story.run.state is RunState.FAILED


def test_a_condition_that_is_no_bool_fails_the_node() -> None:
    story = Story(plan(node("a"), node("b", if_="${{ nodes.a.output.go }}")))

    story.succeed("a", b'{"go":"false"}')

    failure = story.run.nodes["b"].failure
    assert failure is not None
    assert "expected true or false" in failure.message


def test_a_failing_input_fails_the_node_before_its_first_attempt() -> None:
    story = Story(plan(node("a"), node("b", with_={"x": "${{ nodes.a.output.x }}"})))

    decision = story.succeed("a")

    fact = next(fact for fact in decision.facts if fact.kind == "node.failed")
    assert fact.attempt is None
    assert "no such key: x" in fact.data["failure"].message
    assert story.run.nodes["b"].has_row


def test_an_input_over_the_limit_is_a_clear_failure() -> None:
    story = Story(plan(node("a"), node("b", with_=["${{ nodes.a.output }}", "${{ nodes.a.output }}"])))

    story.succeed("a", b'"' + b"x" * (NODE_INPUT_BYTES_MAX // 2) + b'"')

    failure = story.run.nodes["b"].failure
    assert failure is not None
    assert (failure.type, failure.error_class) == ("TooLarge", ErrorClass.VALIDATION)
    assert str(NODE_INPUT_BYTES_MAX) in failure.message


def test_an_output_that_nobody_can_read_fails_who_asks_for_it() -> None:
    story = Story(plan(node("a"), node("b", with_={"x": "${{ nodes.a.output }}"})))

    story.succeed("a", b"[" * 5_000 + b"]" * 5_000)

    failure = story.run.nodes["b"].failure
    assert failure is not None
    assert failure.type == "OutputUnreadable"


def test_a_root_that_cannot_begin_stops_the_others_and_their_offers() -> None:
    story = Story(plan(node("a"), node("b", with_={"x": "${{ inputs.typo }}"}), node("c")))

    assert story.states() == {"a": "cancelled", "b": "failed", "c": "cancelled"}
    assert story.last.commands == ()
    assert story.run.state is RunState.FAILED


def test_a_chain_of_5000_is_skipped_without_recursion() -> None:
    chain = [node(f"n{index}", f"n{index - 1}") for index in range(1, 5_000)]

    story = Story(plan(node("n0", if_="${{ false }}"), *chain))

    assert story.run.state is RunState.SUCCEEDED
    assert set(story.states().values()) == {"skipped"}


@pytest.mark.parametrize(("length", "is_told"), [(10, True), (EVENT_OUTPUT_BYTES_MAX, False)])
def test_a_run_that_succeeds_tells_its_output_if_that_is_short(length: int, is_told: bool) -> None:
    story = Story(plan(node("a"), output={"text": "${{ nodes.a.output.text }}"}))
    output = b'{"text":"%s"}' % (b"x" * length)

    decision = story.succeed("a", output)

    assert decision.facts[-1].kind == "run.succeeded"
    assert decision.facts[-1].data == ({"output": raw(output)} if is_told else {})
