"""What people and deadlines ask of a run: cancel, retry, time out."""

from orchestrator.domain.decision import GrantSlots, Outcome, StopAttempt
from orchestrator.domain.events import DeadlinePassed, RetryRequested, SlotGranted
from orchestrator.domain.run import NodeState, RunState
from penstock.contracts.failure import ErrorClass
from penstock.contracts.workflow import OnFailure, RunIf
from tests.builders import BROKEN, NO_RETRY, SHAKY, Story, node, plan, token

RETRY = RetryRequested(by="ada")


def test_cancel_stops_what_runs_and_cancels_the_rest() -> None:
    story = Story(plan(node("a"), node("ready"), node("again"), node("later", "a")))
    story.claim("a", by="r1")
    story.fail("again", SHAKY)

    decision = story.cancel("enough")

    assert story.states() == {
        "a": "running",
        "ready": "cancelled",
        "again": "cancelled",
        "later": "cancelled",
    }
    assert story.run.state is RunState.CANCELLING
    assert decision.commands == (StopAttempt(node="a", attempt=1, token=token("r1/a/1"), runner="r1"),)
    assert decision.facts[0].data == {"by": "ada", "reason": "enough"}


def test_cancel_of_a_run_where_nothing_runs_ends_it_at_once() -> None:
    story = Story(plan(node("a"), node("b", "a", run_if=RunIf.ALL_DONE)))

    story.cancel("enough")

    assert story.run.state is RunState.CANCELLED
    assert story.kinds()[-4:] == ["run.cancelling", "node.cancelled a", "node.cancelled b", "run.cancelled"]


def test_a_failure_a_lapse_or_a_return_while_cancelling_cancels_the_node() -> None:
    story = Story(plan(node("fails"), node("lapses"), node("returns")))
    for name in ("fails", "lapses", "returns"):
        story.claim(name)
    story.cancel()

    story.fail("fails", SHAKY)
    story.lapse("lapses")
    story.release("returns")

    assert set(story.states().values()) == {"cancelled"}
    assert story.run.state is RunState.CANCELLED
    assert story.run.failure is None


def test_a_success_while_cancelling_did_happen() -> None:
    story = Story(plan(node("a"), node("b", "a")))
    story.claim("a")
    story.cancel()

    story.succeed("a", b"1")

    assert story.states() == {"a": "succeeded", "b": "cancelled"}
    assert story.run.state is RunState.CANCELLED


def test_a_cancelled_node_never_succeeds() -> None:
    story = Story(plan(node("a"), node("b")))
    story.claim("a")
    story.claim("b")
    held = story.run.nodes["a"].token
    story.cancel()
    story.lapse("a")
    assert held is not None

    late = story.claim("a")

    assert late.outcome is Outcome.REFUSED
    assert story.states()["a"] == "cancelled"


def test_cancel_again_is_repeated_and_of_an_ended_run_refused() -> None:
    running = Story(plan(node("a")))
    running.claim("a")
    running.cancel()
    ended = Story(plan(node("a")))
    ended.succeed("a")

    assert running.cancel().outcome is Outcome.REPEATED
    assert ended.cancel().outcome is Outcome.REFUSED


def test_a_claim_in_a_run_that_is_being_cancelled_is_refused() -> None:
    story = Story(plan(node("a"), node("b")))
    story.claim("a")
    story.cancel()

    assert story.claim("b").outcome is Outcome.REFUSED
    assert story.claim("a").outcome is Outcome.REPEATED


def test_the_deadline_ends_the_run_as_failed() -> None:
    story = Story(plan(node("a"), node("b", "a")))
    story.claim("a")

    story.tell(DeadlinePassed())
    assert story.run.state is RunState.CANCELLING
    assert story.tell(DeadlinePassed()).outcome is Outcome.LATE
    story.fail("a")

    assert story.run.state is RunState.FAILED
    assert story.run.failure is not None
    assert story.run.failure.error_class is ErrorClass.TIMEOUT
    assert story.run.failure.message == "the run took longer than its timeout of 7200 s"


def test_the_deadline_of_a_run_that_was_failing_tells_both_reasons() -> None:
    story = Story(plan(node("a"), node("b")))
    story.claim("b")
    story.fail("a", BROKEN)

    story.tell(DeadlinePassed())

    assert story.run.failure is not None
    assert story.run.failure.message.endswith("before that, node 'a' failed: it broke")


def test_a_run_with_a_concurrency_key_queues_for_a_slot_when_it_is_retried() -> None:
    story = Story(plan(node("a"), node("b", "a"), node("c", "b")), concurrency_key="repo-x")
    story.succeed("a", b"1")
    story.fail("b", BROKEN)
    assert story.run.state is RunState.FAILED

    decision = story.tell(RETRY)
    assert story.run.state is RunState.QUEUED
    assert story.states() == {"a": "succeeded", "b": "waiting", "c": "waiting"}
    assert decision.commands == (GrantSlots("repo-x"),)
    assert story.tell(RETRY).outcome is Outcome.REPEATED
    story.tell(SlotGranted())

    assert story.states() == {"a": "succeeded", "b": "ready", "c": "waiting"}
    assert story.kinds()[-4:] == ["run.retried", "run.queued", "run.dequeued", "node.ready b"]
    story.succeed("b")
    story.succeed("c")
    assert story.run.state is RunState.SUCCEEDED


def test_a_run_that_waits_for_its_slot_again_can_be_cancelled() -> None:
    story = Story(plan(node("a"), node("b", "a")), concurrency_key="repo-x")
    story.succeed("a", b"1")
    story.fail("b", BROKEN)
    story.tell(RETRY)

    story.cancel()

    assert story.run.state is RunState.CANCELLED
    assert story.states() == {"a": "succeeded", "b": "cancelled"}


def test_retry_runs_what_failed_again_and_keeps_what_succeeded() -> None:
    story = Story(plan(node("a"), node("b", "a"), node("c", "b"), on_failure=OnFailure.CONTINUE))
    story.succeed("a", b"1")
    story.fail("b", BROKEN)
    assert story.states() == {"a": "succeeded", "b": "failed", "c": "skipped"}

    decision = story.tell(RETRY)

    assert story.states() == {"a": "succeeded", "b": "ready", "c": "waiting"}
    assert story.run.state is RunState.RUNNING
    assert story.run.failure is None
    assert decision.facts[0].data == {"by": "ada", "nodes": ["b", "c"], "nodes_total": 2}
    assert decision.changed == ("b", "c")
    story.succeed("b")
    story.succeed("c")
    assert story.run.state is RunState.SUCCEEDED


def test_retry_gives_a_fresh_budget_under_new_numbers() -> None:
    story = Story(plan(node("a")))
    for _ in range(3):
        if story.run.nodes["a"].state is NodeState.BACKOFF:
            story.due("a")
        story.fail("a", SHAKY)
    assert story.states() == {"a": "failed"}

    story.tell(RETRY)
    story.fail("a", SHAKY)

    again = story.run.nodes["a"]
    assert (again.state, again.attempt, again.first_attempt) == (NodeState.BACKOFF, 4, 4)


def test_retry_of_a_cancelled_run_begins_what_was_cancelled() -> None:
    story = Story(plan(node("a"), node("b", "a")))
    story.cancel()

    story.tell(RETRY)

    assert story.states() == {"a": "ready", "b": "waiting"}
    assert story.run.cancel_reason is None


def test_retry_leaves_what_its_condition_skipped() -> None:
    story = Story(plan(node("off", if_="${{ false }}"), node("after", "off"), node("bad", retry=NO_RETRY)))
    story.fail("bad", BROKEN)

    story.tell(RETRY)

    assert story.states() == {"off": "skipped", "after": "skipped", "bad": "ready"}


def test_a_node_skipped_before_its_first_attempt_keeps_its_row_when_reset() -> None:
    story = Story(plan(node("a"), node("b", "a"), on_failure=OnFailure.CONTINUE))
    story.fail("a", BROKEN)

    story.tell(RETRY)

    waiting = story.run.nodes["b"]
    assert (waiting.state, waiting.attempt, waiting.has_row) == (NodeState.WAITING, 0, True)
    story.succeed("a")
    assert story.run.nodes["b"].attempt == 1


def test_retry_of_a_run_in_which_everything_succeeded_but_its_cancel_ends_at_once() -> None:
    story = Story(plan(node("a")))
    story.claim("a")
    story.cancel()
    story.succeed("a", b"1")

    story.tell(RETRY)

    assert story.run.state is RunState.SUCCEEDED
    assert story.kinds()[-2:] == ["run.retried", "run.succeeded"]


def test_retry_is_refused_where_nothing_can_be_retried() -> None:
    succeeded = Story(plan(node("a")))
    succeeded.succeed("a")
    failing = Story(plan(node("a"), node("b"), on_failure=OnFailure.CONTINUE))
    failing.fail("a", BROKEN)
    retried = Story(plan(node("a")))
    retried.fail("a", BROKEN)
    retried.tell(RETRY)

    assert succeeded.tell(RETRY).outcome is Outcome.REFUSED
    assert failing.tell(RETRY).outcome is Outcome.REFUSED
    assert retried.tell(RETRY).outcome is Outcome.REPEATED
