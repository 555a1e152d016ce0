"""A paused run starts nothing, of whatever kind: no other run, no items, no attempt."""

from orchestrator.domain.decision import StartChild
from orchestrator.domain.events import ChildEnded, PauseRequested, ResumeRequested
from orchestrator.domain.run import RunState
from penstock.contracts.workflow import ForeachDefinition, OnFailure
from tests.builders import NO_RETRY, RUN_ID, SHAKY, Story, node, plan, retrying


def test_a_sub_workflow_whose_retry_comes_due_while_paused_starts_when_the_run_goes_on() -> None:
    story = Story(plan(node("deploy", workflow="rollout", retry=retrying(2))))
    story.tell(PauseRequested(by="ada"))
    story.tell(ChildEnded("deploy", 1, RUN_ID, "failed", failure=SHAKY))

    story.due("deploy")
    assert story.states()["deploy"] == "ready"
    assert story.run.nodes["deploy"].wake_in is None
    decision = story.tell(ResumeRequested(by="ada"))

    assert [(order.node, order.attempt) for order in decision.commands if isinstance(order, StartChild)] == [
        ("deploy", 2)
    ]
    assert story.run.nodes["deploy"].attempt == 2


def test_a_sub_workflow_that_waits_for_its_run_to_go_on_can_be_cancelled() -> None:
    story = Story(plan(node("deploy", workflow="rollout", retry=retrying(2))))
    story.tell(PauseRequested(by="ada"))
    story.tell(ChildEnded("deploy", 1, RUN_ID, "failed", failure=SHAKY))
    story.due("deploy")

    story.cancel()

    assert story.run.state is RunState.CANCELLED


def test_a_node_that_pauses_the_run_by_failing_stops_those_that_would_begin_with_it() -> None:
    first = node("first", retry=NO_RETRY)
    broken = node("broken", "first", foreach=ForeachDefinition(items="${{ inputs.absent }}"))
    items = node("items", "first", foreach=ForeachDefinition(items=["a"]))
    story = Story(plan(first, broken, items, on_failure=OnFailure.PAUSE))

    story.succeed("first")
    assert story.run.state is RunState.PAUSED
    assert story.states()["items"] == "waiting"
    story.tell(ResumeRequested(by="ada"))

    assert story.states()["items[0]"] == "ready"
