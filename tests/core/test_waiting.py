"""Units that wait without a runner: moments, events, people, the cache; and pausing a whole run."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.decision import AskCache, GrantSlots, KeepOutput, LookBack, Outcome, PublishReady
from orchestrator.domain.detail import Cached, Lookup
from orchestrator.domain.events import (
    Answered,
    AttemptClaimed,
    CacheAnswered,
    EventArrived,
    PauseRequested,
    Refusal,
    ResumeRequested,
    RetryRequested,
    SlotGranted,
)
from orchestrator.domain.run import PauseCause, RunState
from penstock.contracts.workflow import (
    ApprovalDefinition,
    CacheDefinition,
    EventWait,
    OnFailure,
    OnMax,
    OnTimeout,
    RepeatDefinition,
    RunIf,
    WaitDefinition,
)
from tests.builders import BROKEN, NO_RETRY, RUN_ID, SHAKY, Story, node, plan, token

DAY = timedelta(days=1)


def asking(**fields: object) -> Story:
    approval = ApprovalDefinition(message="Patch ${{ inputs.n }} files?", **fields)  # type: ignore[arg-type]
    return Story(
        plan(node("sign-off", approval=approval), node("go", "sign-off")), input=b'{"n": 3}', by="eve"
    )


def test_a_question_waits_for_a_person_and_holds_no_runner() -> None:
    story = asking(timeout=DAY)
    assert story.states() == {"sign-off": "suspended", "go": "waiting"}
    assert story.run.nodes["sign-off"].wake_in == DAY

    story.tell(Answered("sign-off", approved=True, by="ada", comment="fine", fields={"who": "me"}))

    assert story.states() == {"sign-off": "succeeded", "go": "ready"}
    output = story.run.nodes["sign-off"].output
    assert output == b'{"approved":true,"by":"ada","comment":"fine","fields":{"who":"me"},"timed_out":false}'


def test_a_no_fails_the_node_with_who_and_why() -> None:
    story = asking()

    story.tell(Answered("sign-off", approved=False, by="ada", comment="not now"))

    failure = story.run.nodes["sign-off"].failure
    assert failure is not None
    assert (failure.type, failure.message) == ("Rejected", "ada rejected it: not now")
    assert story.run.state is RunState.FAILED


def test_only_who_was_asked_may_answer_and_not_who_started_the_run() -> None:
    story = asking(assignees=("ada", "eve"), no_self_approval=True)

    stranger = story.tell(Answered("sign-off", approved=True, by="eva"))
    starter = story.tell(Answered("sign-off", approved=True, by="eve"))

    assert stranger.outcome is starter.outcome is Outcome.REFUSED
    assert stranger.reason == "'eva' may not answer: it was asked of ada, eve; did you mean 'eve'?"
    assert "no_self_approval" in starter.reason
    assert story.tell(Answered("sign-off", approved=True, by="ada")).outcome is Outcome.APPLIED
    assert story.tell(Answered("sign-off", approved=True, by="ada")).outcome is Outcome.REPEATED
    assert story.tell(Answered("sign-off", approved=False, by="ada")).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("on_timeout", "state"),
    [(OnTimeout.FAIL, "failed"), (OnTimeout.SKIP, "skipped"), (OnTimeout.CONTINUE, "succeeded")],
)
def test_what_waits_in_vain_does_what_its_author_said(on_timeout: OnTimeout, state: str) -> None:
    story = asking(timeout=DAY, on_timeout=on_timeout)

    story.wake("sign-off", overdue=True)

    assert story.states()["sign-off"] == state


def test_a_timer_before_the_time_changes_nothing() -> None:
    story = asking(timeout=DAY)

    assert story.wake("sign-off").outcome is Outcome.LATE
    assert story.states()["sign-off"] == "suspended"


def test_waiting_for_a_duration_and_a_moment() -> None:
    moment = "2026-11-22T09:00:00Z"
    story = Story(
        plan(
            node("pause", wait=WaitDefinition(duration="${{ inputs.time }}")),
            node("until", wait=WaitDefinition(until=moment)),
        ),
        input=b'{"time": "90s"}',
    )
    assert story.run.nodes["pause"].wake_in == timedelta(seconds=90)
    assert story.run.nodes["until"].wake_until == datetime(2026, 11, 22, 9, tzinfo=UTC)

    story.wake("pause")
    story.wake("until")

    assert story.run.state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("wait", "type"),
    [
        (WaitDefinition(duration="${{ inputs.time }}"), "NotADuration"),
        (WaitDefinition(until="${{ inputs.time }}"), "NotAMoment"),
    ],
)
def test_a_time_that_is_none_fails_the_node(wait: WaitDefinition, type: str) -> None:
    story = Story(plan(node("pause", wait=wait)), input=b'{"time": "soon"}')

    failure = story.run.nodes["pause"].failure
    assert failure is not None
    assert failure.type == type
    assert "'soon'" in failure.message


def awaiting() -> Story:
    event = EventWait(type="com.example.paid", if_="${{ event.data.order == 7 }}")
    return Story(plan(node("paid", wait=WaitDefinition(event=event, timeout=DAY)), node("ship", "paid")))


def test_the_event_that_matches_ends_the_wait_and_others_do_not() -> None:
    story = awaiting()
    assert story.last.commands == (LookBack("paid", 1, "com.example.paid", 300.0),)

    other = story.tell(EventArrived("paid", 1, {"id": "1", "data": {"order": 6}}))
    assert other.outcome is Outcome.LATE
    story.tell(EventArrived("paid", 1, {"id": "2", "data": {"order": 7}}))

    assert story.run.nodes["paid"].output == b'{"event":{"id":"2","data":{"order":7}},"timed_out":false}'
    assert story.states()["ship"] == "ready"


def test_an_event_on_which_the_condition_breaks_does_not_match() -> None:
    story = awaiting()

    assert story.tell(EventArrived("paid", 1, {"id": "1", "data": {}})).outcome is Outcome.LATE
    assert story.states()["paid"] == "suspended"


def test_the_timer_looks_back_again_and_changes_nothing() -> None:
    story = awaiting()

    decision = story.wake("paid")

    assert decision.outcome is Outcome.LATE
    assert [type(command) for command in decision.commands] == [LookBack]


def cached(name: str = "a", *, key: str = "${{ inputs.n }}", agent: str = "worker") -> Story:
    cache = CacheDefinition(key=key, ttl=DAY)
    return Story(plan(node(name, cache=cache, agent=agent), node("b", name)), input=b'{"n": 1}')


def key_of(story: Story) -> str:
    (asked,) = [command for command in story.last.commands if isinstance(command, AskCache)]
    return asked.key


def test_the_key_of_the_cache_is_the_nodes_own_and_may_be_any_text() -> None:
    assert key_of(cached()) == key_of(cached())
    assert (
        len({key_of(cached(key=key)) for key in ("${{ inputs.n }}", "n=${{ inputs.n }}", "plain", "1")}) == 4
    )
    assert key_of(cached("a")) != key_of(cached("other"))


def asked(story: Story) -> str:
    """The key that the node waits to hear of."""
    detail = story.run.nodes["a"].detail
    assert isinstance(detail, Lookup)
    return detail.key


def test_an_answer_to_another_key_is_late() -> None:
    story = cached()

    assert story.tell(CacheAnswered("a", 0, "another", output=b"1", run=RUN_ID)).outcome is Outcome.LATE


def test_a_known_key_takes_the_former_output_and_no_runner() -> None:
    story = cached()
    assert story.states()["a"] == "suspended"
    assert [type(command) for command in story.last.commands] == [AskCache]

    story.tell(CacheAnswered("a", 0, asked(story), output=b'"old"', run=RUN_ID))

    assert story.run.nodes["a"].output == b'"old"'
    assert isinstance(story.run.nodes["a"].detail, Cached)
    assert story.last.facts[0].data == {"cached": True, "from_run": str(RUN_ID)}
    assert story.states()["b"] == "ready"
    assert not any(isinstance(command, KeepOutput) for command in story.last.commands)


def test_an_unknown_key_runs_the_agent_and_keeps_what_it_answers() -> None:
    story = cached()

    story.tell(CacheAnswered("a", 0, asked(story)))
    story.fail("a", SHAKY)
    story.due("a")
    story.succeed("a", b'"new"')

    (kept,) = [command for command in story.last.commands if isinstance(command, KeepOutput)]
    assert (kept.output, kept.ttl_s) == (b'"new"', DAY.total_seconds())


def repeating(**fields: object) -> Story:
    repeat = RepeatDefinition(until="${{ output == 3 }}", max_=3, **fields)  # type: ignore[arg-type]
    return Story(plan(node("a", repeat=repeat, with_=["${{ iteration }}", "${{ previous }}"])))


def test_a_node_repeats_until_its_condition_holds() -> None:
    story = repeating()
    story.succeed("a", b"1")
    assert story.run.nodes["a"].input == b"[2,1]"

    story.succeed("a", b"3")

    assert story.run.nodes["a"].output == b"3"
    assert story.run.nodes["a"].attempt == 2
    assert story.run.state is RunState.SUCCEEDED
    assert story.kinds().count("node.succeeded a") == 1


@pytest.mark.parametrize(("on_max", "state"), [(OnMax.FAIL, "failed"), (OnMax.SUCCEED, "succeeded")])
def test_a_node_repeats_at_most_so_often(on_max: OnMax, state: str) -> None:
    story = repeating(on_max=on_max)

    for _ in range(3):
        story.succeed("a", b"1")

    assert story.states()["a"] == state


def test_a_refused_claim_waits_without_an_attempt_spent() -> None:
    story = Story(plan(node("a", retry=NO_RETRY)))
    refusal = Refusal("breaker_open", "dependency/llm", "breaker 'dependency/llm' is open", wait_s=5)

    held = story.tell(AttemptClaimed("a", 1, token("r1"), "r1", refusal=refusal))
    assert held.outcome is Outcome.HELD
    assert story.states()["a"] == "suspended"
    story.wake("a")
    assert story.run.nodes["a"].attempt == 2
    story.fail("a", SHAKY)

    assert story.states()["a"] == "failed"  # one attempt is all that it has, and the refusal was none


def test_pause_holds_what_is_ready_and_resume_offers_it_again() -> None:
    story = Story(plan(node("a"), node("b"), node("c", "a")))
    story.claim("a")
    story.tell(PauseRequested(by="ada", reason="look first"))
    assert story.run.nodes["b"].wake_in is None

    assert story.claim("b").outcome is Outcome.REFUSED
    story.succeed("a")
    assert story.states()["c"] == "waiting"
    decision = story.tell(ResumeRequested(by="ada"))

    offered = {command.node for command in decision.commands if isinstance(command, PublishReady)}
    assert offered == {"b", "c"}
    assert story.run.state is RunState.RUNNING


def test_a_retry_that_comes_due_while_paused_waits_for_the_run_to_go_on() -> None:
    story = Story(plan(node("a")))
    story.fail("a", SHAKY)
    story.tell(PauseRequested(by="ada"))

    story.due("a")
    assert story.last.commands == ()
    story.tell(ResumeRequested(by="ada"))
    story.succeed("a")

    assert story.run.state is RunState.SUCCEEDED


def test_on_failure_pause_waits_for_a_person_who_retries() -> None:
    story = Story(plan(node("a", retry=NO_RETRY), node("b", "a"), on_failure=OnFailure.PAUSE))

    story.fail("a", BROKEN)
    assert story.run.state is RunState.PAUSED
    assert story.run.pause is not None
    assert story.run.pause.cause is PauseCause.FAILURE
    story.tell(RetryRequested(by="ada"))
    story.succeed("a")
    story.succeed("b")

    assert story.run.state is RunState.SUCCEEDED


def test_on_failure_pause_and_a_person_who_goes_on_without_the_node() -> None:
    nodes = (
        node("a", retry=NO_RETRY),
        node("b", "a"),
        node("c", "a", run_if=RunIf.ALL_DONE),
    )
    story = Story(plan(*nodes, on_failure=OnFailure.PAUSE))
    story.fail("a")

    story.tell(ResumeRequested(by="ada"))
    assert story.states() == {"a": "failed", "b": "skipped", "c": "ready"}
    story.succeed("c")

    assert story.run.state is RunState.FAILED


def test_cancel_of_a_paused_run_ends_it() -> None:
    story = Story(plan(node("a", retry=NO_RETRY), on_failure=OnFailure.PAUSE))
    story.fail("a")

    story.cancel("no use")

    assert story.run.state is RunState.CANCELLED


def test_a_queued_run_begins_when_it_has_its_slot() -> None:
    story = Story(plan(node("a")), queued=True)
    assert story.run.state is RunState.QUEUED
    assert story.states() == {"a": "waiting"}

    story.tell(SlotGranted())

    assert story.states() == {"a": "ready"}


def test_a_queued_run_can_be_cancelled() -> None:
    story = Story(plan(node("a")), queued=True)

    story.cancel()

    assert story.run.state is RunState.CANCELLED


def test_a_retried_run_queues_for_a_slot_again_and_keeps_what_succeeded() -> None:
    first, second = node("first"), node("second", "first", retry=NO_RETRY)
    story = Story(plan(first, second), concurrency_key="a")
    story.succeed("first")
    story.fail("second")

    decision = story.tell(RetryRequested(by="ada"))
    assert story.run.state is RunState.QUEUED
    assert decision.commands == (GrantSlots("a"),)
    assert story.tell(RetryRequested(by="ada")).outcome is Outcome.REPEATED
    story.tell(SlotGranted())

    assert story.run.state is RunState.RUNNING
    assert story.states() == {"first": "succeeded", "second": "ready"}
