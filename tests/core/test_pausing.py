"""What a pause meets half-way: lists between two items, sub-workflows that were about to begin."""

from orchestrator.domain.decision import StartChild
from orchestrator.domain.events import ChildEnded, PauseRequested, ResumeRequested
from orchestrator.domain.run import RunState
from penstock.contracts.workflow import ForeachDefinition
from tests.builders import NO_RETRY, SHAKY, Story, node, plan, retrying

PAUSE = PauseRequested(by="ada")
RESUME = ResumeRequested(by="ada")


def test_cancel_ends_a_list_that_a_pause_stopped_between_two_items() -> None:
    items = ForeachDefinition(items=["a", "b"], max_parallel=1)
    story = Story(plan(node("patch", foreach=items, retry=NO_RETRY)))
    story.claim("patch[0]")
    story.tell(PAUSE)
    story.succeed("patch[0]")

    story.cancel()

    assert story.states() == {"patch": "cancelled", "patch[0]": "succeeded"}
    assert story.run.state is RunState.CANCELLED


def test_a_sub_workflow_whose_retry_comes_due_in_a_paused_run_starts_when_the_run_goes_on() -> None:
    story = Story(plan(node("call", workflow="child", workflow_version=1, retry=retrying(2))))
    story.tell(ChildEnded("call", 1, None, "failed", failure=SHAKY))
    story.tell(PAUSE)

    assert story.due("call").commands == ()
    assert story.wake("call").commands == ()

    assert story.tell(RESUME).commands == (StartChild("call", 2, "child", 1, b"{}"),)
