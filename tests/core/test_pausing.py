"""What a pause meets half-way: sub-workflows that were about to begin."""

from orchestrator.domain.decision import StartChild
from orchestrator.domain.events import ChildEnded, PauseRequested, ResumeRequested
from tests.builders import SHAKY, Story, node, plan, retrying

PAUSE = PauseRequested(by="ada")
RESUME = ResumeRequested(by="ada")


def test_a_sub_workflow_whose_retry_comes_due_in_a_paused_run_starts_when_the_run_goes_on() -> None:
    story = Story(plan(node("call", workflow="child", workflow_version=1, retry=retrying(2))))
    story.tell(ChildEnded("call", 1, None, "failed", failure=SHAKY))
    story.tell(PAUSE)

    assert story.due("call").commands == ()
    assert story.wake("call").commands == ()

    assert story.tell(RESUME).commands == (StartChild("call", 2, "child", 1, b"{}"),)
