"""Compensation: what succeeded is undone, the last first, each once; what keeps failing waits for a person (V4)."""

import pytest

from orchestrator.domain.decision import CompensateChild, Outcome
from orchestrator.domain.events import (
    ChildEnded,
    ChildStarted,
    CompensateRequested,
    RetryRequested,
    SkipRequested,
)
from orchestrator.domain.run import RunState
from penstock.contracts.workflow import Compensation, CompensationPolicy, ForeachDefinition, OnFailure
from tests.builders import NO_RETRY, RUN_ID, SHAKY, Story, node, plan, retrying, token

UNDO = Compensation(agent="undoer", retry=NO_RETRY)
ASKED = CompensateRequested(by="ada", reason="wrong order")


def chain(*names: str, policy: CompensationPolicy = CompensationPolicy.CONTINUE_ON_ERROR) -> Story:
    """Nodes one after another, each with something to undo; then one without."""
    nodes = [
        node(name, *needs, compensate=UNDO, retry=NO_RETRY)
        for name, needs in zip(names, [(), *((n,) for n in names)], strict=False)
    ]
    last = node("last", names[-1], retry=NO_RETRY)
    return Story(plan(*nodes, last, on_failure=OnFailure.COMPENSATE, compensation_policy=policy))


def undone(story: Story) -> list[str]:
    return [kind.split()[1] for kind in story.kinds() if kind.startswith("node.compensated")]


def test_a_failure_undoes_what_succeeded_the_last_first() -> None:
    story = chain("a", "b")
    story.succeed("a", b'{"id":1}')
    story.succeed("b")

    story.fail("last")
    assert story.run.state is RunState.COMPENSATING
    assert story.states() | {"b:undo": "ready"} == story.states()
    assert "a:undo" not in story.run.nodes
    story.succeed("b:undo")
    assert story.run.nodes["a:undo"].input == b'{"input":{},"output":{"id":1}}'
    story.succeed("a:undo")

    assert undone(story) == ["b", "a"]
    assert story.run.state is RunState.COMPENSATED
    assert story.run.failure is not None


def test_the_order_is_that_of_completion_not_of_the_definition() -> None:
    nodes = [node(name, compensate=UNDO) for name in ("a", "b", "c")]
    story = Story(plan(*nodes))
    for name in ("b", "c", "a"):
        story.succeed(name)
    assert story.run.state is RunState.SUCCEEDED

    story.tell(ASKED)
    for name in ("a", "c", "b"):
        story.succeed(f"{name}:undo")

    assert undone(story) == ["a", "c", "b"]
    assert story.run.state is RunState.COMPENSATED


def test_what_did_not_succeed_is_not_undone() -> None:
    story = chain("a", "b")
    story.succeed("a")

    story.fail("b")

    assert "b:undo" not in story.run.nodes
    assert story.states()["a:undo"] == "ready"


def test_a_run_in_which_nothing_can_be_undone_just_fails_and_refuses_the_wish() -> None:
    story = Story(plan(node("a"), node("b", "a", retry=NO_RETRY), on_failure=OnFailure.COMPENSATE))
    story.succeed("a")

    story.fail("b")

    assert story.run.state is RunState.FAILED
    decision = story.tell(ASKED)
    assert decision.outcome is Outcome.REFUSED
    assert decision.reason == "nothing that succeeded in it can be undone"


def test_a_success_that_arrives_while_cancelling_is_undone_too() -> None:
    nodes = (node("a", compensate=UNDO), node("b"))
    story = Story(plan(*nodes, on_failure=OnFailure.COMPENSATE))
    story.claim("a")
    story.cancel("enough")

    story.succeed("a")
    assert story.run.state is RunState.COMPENSATING
    story.succeed("a:undo")

    assert story.run.state is RunState.COMPENSATED
    assert story.run.undo is not None
    assert story.run.undo.reason == "enough"


def test_undoing_starts_only_when_nothing_runs() -> None:
    nodes = (node("a", compensate=UNDO), node("b", retry=NO_RETRY), node("c", compensate=UNDO))
    story = Story(plan(*nodes, on_failure=OnFailure.COMPENSATE))
    story.succeed("a")
    story.claim("c")

    story.fail("b")
    assert story.run.state is RunState.RUNNING
    story.succeed("c")

    assert story.run.state is RunState.COMPENSATING
    assert story.states()["c:undo"] == "ready"


def test_a_step_is_leased_and_retried_like_a_node() -> None:
    undo = Compensation(agent="undoer", retry=retrying(2))
    story = Story(plan(node("a", compensate=undo)))
    story.succeed("a")
    story.tell(ASKED)

    story.lapse("a:undo")
    assert story.states()["a:undo"] == "backoff"
    story.due("a:undo")
    late = story.tell_late = token("r1/a:undo/1")
    story.succeed("a:undo")

    assert story.run.state is RunState.COMPENSATED
    assert story.run.nodes["a:undo"].attempt == 2
    assert late != story.run.nodes["a:undo"].token


def test_continue_on_error_undoes_the_rest_and_then_waits_for_a_person() -> None:
    story = chain("a", "b")
    story.succeed("a")
    story.succeed("b")
    story.fail("last")

    story.fail("b:undo")
    assert story.run.state is RunState.COMPENSATING
    story.succeed("a:undo")

    assert story.run.state is RunState.PAUSED
    assert story.run.pause is not None
    assert story.run.pause.reason == "could not undo b: retry or skip"
    story.tell(RetryRequested(by="ada"))
    assert story.run.nodes["b:undo"].attempt == 2
    story.succeed("b:undo")
    assert story.run.state is RunState.COMPENSATED


def test_halt_on_error_waits_for_a_person_at_once_and_goes_on_after_a_skip() -> None:
    story = chain("a", "b", policy=CompensationPolicy.HALT_ON_ERROR)
    story.succeed("a")
    story.succeed("b")
    story.fail("last")

    story.fail("b:undo")
    assert story.run.state is RunState.PAUSED
    assert "a:undo" not in story.run.nodes
    story.tell(SkipRequested(by="ada", node="b"))
    assert story.run.state is RunState.COMPENSATING
    story.succeed("a:undo")

    assert story.run.state is RunState.COMPENSATED
    assert story.states()["b"] == "compensation_failed"
    assert "node.compensation_skipped b" in story.kinds()


def test_a_step_that_fails_again_after_a_retry_waits_again() -> None:
    story = chain("a")
    story.succeed("a")
    story.fail("last")
    story.fail("a:undo")
    story.tell(RetryRequested(by="ada"))

    story.fail("a:undo", SHAKY)

    assert story.run.state is RunState.PAUSED
    assert story.states()["a"] == "compensation_failed"


def test_a_step_whose_input_cannot_be_made_fails_and_waits_for_a_person() -> None:
    undo = Compensation(agent="undoer", with_="${{ output.absent }}", retry=NO_RETRY)
    story = Story(plan(node("a", compensate=undo)))
    story.succeed("a")

    story.tell(ASKED)

    assert story.run.state is RunState.PAUSED
    failure = story.run.nodes["a:undo"].failure
    assert failure is not None
    assert "compensate.with" in failure.message
    story.tell(RetryRequested(by="ada"))
    assert story.run.state is RunState.PAUSED
    story.tell(SkipRequested(by="ada"))
    assert story.run.state is RunState.COMPENSATED


def test_skip_and_resume_are_refused_where_they_mean_nothing() -> None:
    story = chain("a", "b")
    story.succeed("a")
    assert story.tell(SkipRequested(by="ada")).outcome is Outcome.REFUSED
    story.fail("b")
    story.fail("a:undo")

    decision = story.tell(SkipRequested(by="ada", node="b"))

    assert decision.outcome is Outcome.REFUSED
    assert decision.reason == "node 'b' is not one whose undoing failed: those are a"


def test_items_are_undone_one_by_one() -> None:
    patch = node(
        "patch",
        foreach=ForeachDefinition(items=["x", "y", "z"]),
        compensate=Compensation(agent="undoer", with_={"file": "${{ item }}", "was": "${{ output }}"}),
        retry=NO_RETRY,
    )
    story = Story(plan(patch, on_failure=OnFailure.COMPENSATE))
    story.succeed("patch[2]", b"3")
    story.claim("patch[0]")
    story.fail("patch[1]")
    story.succeed("patch[0]", b"1")

    assert story.run.nodes["patch[0]:undo"].input == b'{"file":"x","was":1}'
    story.succeed("patch[0]:undo")
    story.succeed("patch[2]:undo")

    assert undone(story) == ["patch[0]", "patch[2]"]
    assert story.run.state is RunState.COMPENSATED


def test_a_sub_workflow_is_undone_by_what_its_nodes_declare() -> None:
    story = Story(plan(node("deploy", workflow="rollout", retry=NO_RETRY)), pins={"rollout": 3})
    story.tell(ChildStarted("deploy", 1, RUN_ID))
    story.tell(ChildEnded("deploy", 1, RUN_ID, "succeeded", output=b"7"))
    assert story.run.state is RunState.SUCCEEDED

    decision = story.tell(ASKED)
    assert [command for command in decision.commands if isinstance(command, CompensateChild)]
    story.tell(ChildEnded("deploy", 1, RUN_ID, "compensated"))

    assert story.states()["deploy"] == "compensated"
    assert story.run.state is RunState.COMPENSATED


def deploying() -> Story:
    """A sub-workflow whose first run was lost, whose second succeeded, and which is being undone."""
    story = Story(plan(node("deploy", workflow="rollout", retry=retrying(2))))
    story.tell(ChildEnded("deploy", 1, token("first"), "failed", failure=SHAKY))
    story.due("deploy")
    story.tell(ChildEnded("deploy", 2, token("second"), "succeeded", output=b"7"))
    story.tell(ASKED)
    return story


@pytest.mark.parametrize(
    "late",
    [
        ChildEnded("deploy", 2, token("second"), "succeeded", output=b"7"),
        ChildEnded("deploy", 1, token("first"), "failed", failure=SHAKY),
    ],
)
def test_what_a_sub_workflow_told_before_does_not_speak_for_its_undoing(late: ChildEnded) -> None:
    story = deploying()

    assert story.tell(late).outcome is Outcome.LATE
    assert story.states()["deploy:undo"] == "running"
    story.tell(ChildEnded("deploy", 2, token("second"), "compensated"))

    assert story.run.state is RunState.COMPENSATED


def test_an_undoing_that_waits_for_a_person_cannot_be_cancelled() -> None:
    story = chain("a", policy=CompensationPolicy.HALT_ON_ERROR)
    story.succeed("a")
    story.fail("last")
    story.fail("a:undo")

    decision = story.cancel()

    assert decision.outcome is Outcome.REFUSED
    assert decision.reason == "it is being undone: retry or skip the steps that failed"
    assert story.run.state is RunState.PAUSED


@pytest.mark.parametrize("state", ["running", "cancelling"])
def test_only_an_ended_run_is_undone_on_request(state: str) -> None:
    story = Story(plan(node("a", compensate=UNDO), node("b", compensate=UNDO)))
    story.succeed("a")
    story.claim("b")
    if state == "cancelling":
        story.cancel()

    assert story.tell(ASKED).outcome is Outcome.REFUSED
