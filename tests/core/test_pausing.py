"""What a pause meets half-way, sub-workflows that were about to begin; and the pause of a whole workflow."""

from orchestrator.domain.decide import begin, decide
from orchestrator.domain.decision import Outcome, PublishReady, StartChild
from orchestrator.domain.events import ChildEnded, PauseRequested, ResumeRequested
from orchestrator.domain.run import PauseCause, RunState
from penstock.contracts.timeline import Kind
from penstock.contracts.workflow import OnFailure
from tests.builders import NO_RETRY, RUN_ID, SHAKY, Story, evaluate, node, plan, retrying

PAUSE = PauseRequested(by="ada")
RESUME = ResumeRequested(by="ada")


def test_a_sub_workflow_whose_retry_comes_due_in_a_paused_run_starts_when_the_run_goes_on() -> None:
    story = Story(plan(node("call", workflow="child", workflow_version=1, retry=retrying(2))))
    story.tell(ChildEnded("call", 1, None, "failed", failure=SHAKY))
    story.tell(PAUSE)

    assert story.due("call").commands == ()
    assert story.wake("call").commands == ()

    assert story.tell(RESUME).commands == (StartChild("call", 2, "child", 1, b"{}"),)


WITH_WORKFLOW = PauseRequested(by="ada", reason="it is down", of_workflow=True)
WORKFLOW_GOES_ON = ResumeRequested(by="ada", of_workflow=True)


def test_a_run_that_begins_paused_starts_its_roots_when_its_workflow_goes_on() -> None:
    begun = begin(
        id=RUN_ID,
        project="default",
        plan=plan(node("first"), node("second", "first")),
        input=b"{}",
        evaluate=evaluate,
        paused=WITH_WORKFLOW,
    )
    assert begun.run.state is RunState.PAUSED
    assert [fact.kind for fact in begun.facts] == [Kind.RUN_STARTED, Kind.RUN_PAUSED]
    assert begun.commands == ()

    resumed = decide(begun.run, WORKFLOW_GOES_ON, evaluate=evaluate)

    assert resumed.run.state is RunState.RUNNING
    assert [each.node for each in resumed.commands if isinstance(each, PublishReady)] == ["first"]


def test_only_what_was_paused_with_its_workflow_goes_on_with_it() -> None:
    with_workflow, by_person = Story(plan(node("a"))), Story(plan(node("a")))
    with_workflow.tell(WITH_WORKFLOW)
    by_person.tell(PAUSE)
    by_person.tell(WITH_WORKFLOW)

    assert decide(with_workflow.run, RESUME, evaluate=evaluate).outcome is Outcome.REFUSED
    with_workflow.tell(WORKFLOW_GOES_ON)
    by_person.tell(WORKFLOW_GOES_ON)

    assert with_workflow.run.state is RunState.RUNNING
    assert by_person.run.state is RunState.PAUSED


def test_a_failure_that_pauses_its_run_outlives_the_pause_of_the_workflow() -> None:
    story = Story(plan(node("a", retry=NO_RETRY), node("b"), on_failure=OnFailure.PAUSE))
    story.claim("a")
    story.tell(WITH_WORKFLOW)

    story.fail("a")
    story.tell(WORKFLOW_GOES_ON)

    assert story.run.state is RunState.PAUSED
    assert story.run.pause is not None
    assert story.run.pause.cause is PauseCause.FAILURE
