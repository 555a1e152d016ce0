"""An agent asks a person in the middle of an attempt: it waits without a runner, and goes on with the answer."""

from datetime import timedelta

import pytest

from orchestrator.domain.answers import answers_of
from orchestrator.domain.decision import AskCache, Decision, Outcome, PublishReady
from orchestrator.domain.events import (
    Answered,
    AttemptParked,
    AttemptReleased,
    CacheAnswered,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
)
from orchestrator.domain.run import RunState
from penstock.contracts.messages import AgentAnswer, AgentQuestion
from penstock.contracts.usage import ModelUsage, Usage
from penstock.contracts.workflow import (
    CacheDefinition,
    Compensation,
    ForeachDefinition,
    OnFailure,
    RepeatDefinition,
)
from tests.builders import BROKEN, NO_RETRY, SHAKY, Story, node, plan, retrying, token


def working(**fields: object) -> Story:
    return Story(plan(node("work", **fields), node("after", "work")), by="eve")


def yes(story: Story, key: str = "go", *, name: str = "work", by: str = "ada") -> Decision:
    return story.tell(Answered(name, True, by, question=key))


def answers(story: Story, name: str = "work") -> dict[str, AgentAnswer]:
    return answers_of(story.run.nodes[name].answers)


def test_a_question_takes_the_runner_away_and_the_answer_brings_the_next_attempt() -> None:
    story = working()

    parked = story.park("work", details={"tool": "deploy"})
    answered = story.tell(Answered("work", True, "ada", "fine", {"when": "now"}))

    assert [fact.kind for fact in parked.facts] == ["node.released", "node.suspended"]
    assert parked.commands == ()
    assert answered.commands == (PublishReady("work", 2, 1),)
    assert answers(story) == {"go": AgentAnswer(True, "ada", "fine", {"when": "now"})}
    told = {"key": "go", "by": "ada", "comment": "fine", "approved": True}
    assert (answered.facts[0].kind, answered.facts[0].data) == ("node.answered", told)


def test_while_it_waits_nothing_but_the_run_has_a_timer() -> None:
    story = working()
    story.park("work")

    waiting = story.run.nodes["work"]

    assert (waiting.token, waiting.wake_in, waiting.deadline_in) == (None, None, None)
    assert story.wake("work").outcome is Outcome.LATE


def test_a_no_goes_to_the_agent_as_a_yes_does() -> None:
    story = working()
    story.park("work")

    story.tell(Answered("work", False, "ada", "never"))
    story.succeed("work")

    assert answers(story)["go"].approved is False
    assert story.states() == {"work": "succeeded", "after": "ready"}


def test_what_an_attempt_used_before_it_asked_is_told() -> None:
    story = working()
    story.claim("work")
    usage = Usage(seconds=2.5, models=(ModelUsage("m", calls=1, tokens_in=10, cost_dollars=0.5),))
    question = AgentQuestion("go", "go?")

    parked = story.tell(AttemptParked("work", 1, token("r1/work/1"), question, usage))

    released, suspended = parked.facts
    assert released.data["seconds"] == 2.5
    assert released.data["usage"]["cost_dollars"] == 0.5
    assert suspended.data == {"code": "question", "key": "go", "message": "go?", "assignees": []}


def test_questions_cost_no_attempt_and_answers_survive_retries() -> None:
    story = working(retry=retrying(2))
    story.park("work", "first")
    yes(story, "first")
    story.park("work", "second")
    yes(story, "second")

    story.fail("work", SHAKY)
    story.due("work")
    story.succeed("work")

    assert list(answers(story)) == ["first", "second"]
    assert story.run.nodes["work"].attempt == 4


def test_an_answer_sent_twice_is_no_answer_to_the_next_question() -> None:
    story = working()
    story.park("work", "first")
    yes(story, "first")

    again_while_ready = yes(story, "first")
    story.park("work", "second")
    again_while_asking = yes(story, "first")
    otherwise = story.tell(Answered("work", False, "ada", question="first"))

    assert again_while_ready.outcome is again_while_asking.outcome is Outcome.REPEATED
    assert (otherwise.outcome, otherwise.reason) == (
        Outcome.REFUSED,
        "node 'work' does not ask 'first' now: it asks 'second'",
    )
    assert story.states()["work"] == "suspended"


def test_only_who_was_asked_may_answer_and_not_who_started_the_run() -> None:
    story = working()
    story.park("work", assignees=("ada", "eve"), no_self_approval=True)

    stranger, starter = yes(story, by="mallory"), yes(story, by="eve")

    assert stranger.outcome is starter.outcome is Outcome.REFUSED
    assert yes(story, by="ada").outcome is Outcome.APPLIED


def test_a_late_question_of_a_superseded_attempt_changes_nothing() -> None:
    story = working(retry=retrying(2))
    story.claim("work")
    story.lapse("work")

    late = story.tell(AttemptParked("work", 1, token("r1/work/1"), AgentQuestion("go", "go?")))

    assert late.outcome is Outcome.LATE


def test_a_question_that_is_reported_twice_is_asked_once() -> None:
    story = working()
    story.park("work")

    again = story.tell(AttemptParked("work", 1, token("r1/work/1"), AgentQuestion("go", "go?")))

    assert again.outcome is Outcome.REPEATED


def test_who_cancels_does_not_wait_for_the_answer() -> None:
    story = working()
    story.park("work")

    story.cancel()

    assert story.run.state is RunState.CANCELLED
    assert yes(story).outcome is Outcome.REFUSED


def test_nobody_is_asked_for_a_run_that_is_being_cancelled() -> None:
    story = working()
    story.claim("work")
    story.cancel()

    story.park("work")

    assert story.states()["work"] == "cancelled"
    assert story.run.state is RunState.CANCELLED


def test_a_question_ends_with_the_run_that_another_node_stops() -> None:
    story = Story(plan(node("work"), node("other", retry=NO_RETRY)))
    story.park("work")

    story.fail("other")

    assert story.states()["work"] == "cancelled"
    assert story.run.state is RunState.FAILED


def test_a_paused_run_takes_the_answer_and_offers_nothing() -> None:
    story = working()
    story.claim("work")
    story.tell(PauseRequested("ada"))

    story.park("work")
    answered = yes(story)
    resumed = story.tell(ResumeRequested("ada"))

    assert answered.commands == ()
    assert resumed.commands == (PublishReady("work", 2, 2),)


def test_a_person_who_retries_the_run_need_not_allow_again_what_was_allowed() -> None:
    story = working(retry=NO_RETRY)
    story.park("work", "allowed")
    yes(story, "allowed")
    story.park("work", "refused")
    story.tell(Answered("work", False, "ada"))
    story.fail("work", BROKEN)

    story.tell(RetryRequested("ada"))

    assert list(answers(story)) == ["allowed"]


def test_each_iteration_asks_anew() -> None:
    story = working(repeat=RepeatDefinition(until="${{ output.x }}", max_=3))
    story.park("work")
    yes(story)

    story.succeed("work", b'{"x": false}')
    asked = story.park("work")

    assert answers(story) == {}
    assert asked.outcome is Outcome.APPLIED


def test_items_and_undoings_ask_as_nodes_do() -> None:
    undo = Compensation(agent="undoer", retry=NO_RETRY)
    each = node("work", foreach=ForeachDefinition(items=["a", "b"]), compensate=undo, retry=NO_RETRY)
    story = Story(plan(each, node("last", "work", retry=NO_RETRY), on_failure=OnFailure.COMPENSATE))

    story.park("work[1]")
    story.succeed("work[0]")
    assert yes(story, name="work[1]").outcome is Outcome.APPLIED
    story.succeed("work[1]")
    story.fail("last")
    story.park("work[1]:undo")
    assert yes(story, name="work[1]:undo").outcome is Outcome.APPLIED
    story.succeed("work[1]:undo")
    story.succeed("work[0]:undo")

    assert story.run.state is RunState.COMPENSATED


def test_a_cached_node_asks_the_cache_again_before_it_goes_on() -> None:
    story = working(cache=CacheDefinition(key="${{ run.id }}", ttl=timedelta(hours=1)))
    ask = next(order for order in story.last.commands if isinstance(order, AskCache))
    story.tell(CacheAnswered("work", 0, ask.key))
    story.park("work")

    asked = yes(story)
    story.tell(CacheAnswered("work", story.run.nodes["work"].attempt, ask.key))
    story.succeed("work")

    assert any(isinstance(order, AskCache) for order in asked.commands)
    assert story.run.nodes["work"].output == b"{}"
    assert any(type(order).__name__ == "KeepOutput" for order in story.last.commands)


@pytest.mark.parametrize("seconds", [0.0, 3.5])
def test_an_attempt_given_back_tells_what_it_used_if_it_had_begun(seconds: float) -> None:
    story = working()
    story.claim("work")
    usage = Usage(seconds) if seconds else None

    released = story.tell(AttemptReleased("work", 1, token("r1/work/1"), usage))

    assert released.facts[0].data.get("seconds") == (seconds or None)
    assert story.states()["work"] == "ready"
