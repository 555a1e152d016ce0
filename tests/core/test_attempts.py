"""The life of an attempt: offered, claimed, succeeded, failed, lapsed, given back."""

from datetime import timedelta
from uuid import UUID

import pytest

from orchestrator.domain.decide import UnknownNode
from orchestrator.domain.decision import Outcome, PublishReady
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptReleased,
    AttemptSucceeded,
    LeaseLapsed,
    ReadyWentUnclaimed,
    RetryCameDue,
    RunEvent,
)
from orchestrator.domain.run import NodeState
from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import LEASE, READY_UNCLAIMED_MAX
from tests.builders import BROKEN, NO_RETRY, SHAKY, Story, node, plan, retrying, token


def one_node(**fields: object) -> Story:
    return Story(plan(node("a", **fields)))


def test_a_root_begins_ready_and_is_offered() -> None:
    story = one_node(with_={"x": 1})

    ready = story.run.nodes["a"]
    assert (ready.state, ready.attempt, ready.publication) == (NodeState.READY, 1, 1)
    assert ready.input == b'{"x":1}'
    assert ready.wake_in == READY_UNCLAIMED_MAX
    assert story.last.commands == (PublishReady(node="a", attempt=1, publication=1),)
    assert story.kinds() == ["run.started", "node.ready a"]
    assert story.run.version == 2


def test_a_node_without_with_gets_an_empty_object() -> None:
    assert one_node().run.nodes["a"].input == b"{}"


def test_a_claim_gives_the_lease_to_one_token() -> None:
    story = one_node()

    decision = story.claim("a", by="r1")

    held = story.run.nodes["a"]
    assert decision.outcome is Outcome.APPLIED
    assert (held.state, held.runner, held.wake_in) == (NodeState.RUNNING, "r1", LEASE)
    assert held.token == token("r1/a/1")
    assert decision.facts[0].data == {"runner": "r1"}


def test_the_holder_may_ask_again_and_nobody_else_may() -> None:
    story = one_node()
    story.claim("a", by="r1")

    assert story.claim("a", by="r1").outcome is Outcome.REPEATED
    assert story.claim("a", by="r2").outcome is Outcome.LATE
    assert story.run.nodes["a"].runner == "r1"


def test_success_ends_the_node_and_keeps_its_output() -> None:
    story = one_node()

    decision = story.succeed("a", b'{"x":1}')

    done = story.run.nodes["a"]
    assert (done.state, done.output, done.token) == (NodeState.SUCCEEDED, b'{"x":1}', None)
    assert done.runner == "r1"
    assert decision.changed == ("a",)
    assert [fact.kind for fact in decision.facts] == ["node.succeeded", "run.succeeded"]


def test_a_repeated_success_changes_nothing() -> None:
    story = Story(plan(node("a"), node("b", "a")))
    story.claim("a")
    event = AttemptSucceeded(node="a", attempt=1, token=token("r1/a/1"), output=b"{}")
    story.tell(event)
    before = story.run

    decision = story.tell(event)

    assert decision.outcome is Outcome.REPEATED
    assert decision.run is before
    assert (decision.facts, decision.commands, decision.changed) == ((), (), ())


def test_a_failure_worth_a_retry_backs_off_and_comes_back_as_the_next_attempt() -> None:
    story = one_node(retry=retrying(3))

    failed = story.fail("a", SHAKY)
    waiting = story.run.nodes["a"]
    due = story.due("a")

    assert (waiting.state, waiting.token, waiting.failure) == (NodeState.BACKOFF, None, SHAKY)
    assert waiting.wake_in == timedelta(seconds=0.5)
    assert failed.facts[0].kind == "node.attempt_failed"
    assert failed.facts[0].data == {"failure": SHAKY, "retry_in_s": 0.5, "seconds": 0.0}
    assert due.commands == (PublishReady(node="a", attempt=2, publication=1),)
    assert story.run.nodes["a"].input == b"{}"


def test_a_repeated_failure_is_told_from_a_late_one() -> None:
    story = one_node(retry=retrying(3))
    story.claim("a")
    mine = AttemptFailed(node="a", attempt=1, token=token("r1/a/1"), failure=SHAKY, spread=0.0)
    story.tell(mine)

    assert story.tell(mine).outcome is Outcome.REPEATED
    story.due("a")
    assert story.tell(mine).outcome is Outcome.LATE


def test_the_budget_of_attempts_ends() -> None:
    story = one_node(retry=retrying(2))
    story.fail("a", SHAKY)
    story.due("a")

    story.fail("a", SHAKY)

    assert story.states() == {"a": "failed"}
    assert story.run.failure is not None
    assert story.run.failure.message == "node 'a' failed: the line dropped"


@pytest.mark.parametrize(
    ("retryable", "error_class", "is_retried"),
    [
        (None, ErrorClass.NETWORK, True),
        (None, ErrorClass.VALIDATION, False),
        (None, ErrorClass.LOST, True),
        (None, ErrorClass.ERROR, False),
        (True, ErrorClass.VALIDATION, True),
        (False, ErrorClass.NETWORK, False),
    ],
)
def test_the_agents_word_on_a_retry_counts_before_the_class(
    retryable: bool | None, error_class: ErrorClass, is_retried: bool
) -> None:
    story = one_node(retry=retrying(3))
    failure = type(SHAKY)(type="T", message="m", error_class=error_class, retryable=retryable)

    story.fail("a", failure)

    assert story.states()["a"] == ("backoff" if is_retried else "failed")


def test_a_lapsed_lease_is_a_failure_that_names_the_runner() -> None:
    story = one_node(retry=NO_RETRY)
    story.claim("a", by="runner-7")

    story.lapse("a")

    failure = story.run.nodes["a"].failure
    assert failure is not None
    assert (failure.type, failure.error_class) == ("LeaseLapsed", ErrorClass.LOST)
    assert "'runner-7'" in failure.message


def test_a_result_after_the_lease_lapsed_is_late() -> None:
    story = one_node(retry=retrying(3))
    story.claim("a", by="slow")
    late = AttemptSucceeded(node="a", attempt=1, token=token("slow/a/1"), output=b"{}")
    story.lapse("a")

    assert story.tell(late).outcome is Outcome.LATE
    story.due("a")
    story.claim("a", by="quick")
    assert story.tell(late).outcome is Outcome.LATE
    assert story.states() == {"a": "running"}


def test_giving_back_costs_no_attempt_but_makes_the_old_number_void() -> None:
    story = one_node(retry=NO_RETRY)
    story.claim("a")

    decision = story.release("a")

    offered = story.run.nodes["a"]
    assert (offered.state, offered.attempt, offered.first_attempt) == (NodeState.READY, 2, 2)
    assert [fact.kind for fact in decision.facts] == ["node.released", "node.ready"]
    assert [fact.attempt for fact in decision.facts] == [1, 2]
    late = AttemptSucceeded(node="a", attempt=1, token=token("r1/a/1"), output=b"{}")
    assert story.tell(late).outcome is Outcome.LATE


def test_an_unclaimed_node_is_published_again_as_the_same_attempt() -> None:
    story = one_node()

    decision = story.unclaimed("a")

    assert decision.commands == (PublishReady(node="a", attempt=1, publication=2),)
    assert decision.facts[0].data == {"publication": 2}
    assert story.run.nodes["a"].wake_in == READY_UNCLAIMED_MAX
    stale = ReadyWentUnclaimed(node="a", attempt=1, publication=1)
    assert story.tell(stale).outcome is Outcome.LATE


NODE_EVENTS: list[RunEvent] = [
    AttemptClaimed(node="a", attempt=1, token=token("x"), runner="r"),
    AttemptSucceeded(node="a", attempt=1, token=token("x"), output=b"{}"),
    AttemptFailed(node="a", attempt=1, token=token("x"), failure=BROKEN, spread=0.0),
    AttemptReleased(node="a", attempt=1, token=token("x")),
    LeaseLapsed(node="a", attempt=1, token=token("x"), spread=0.0),
    RetryCameDue(node="a", attempt=1),
    ReadyWentUnclaimed(node="a", attempt=1, publication=1),
]


@pytest.mark.parametrize("event", NODE_EVENTS, ids=lambda event: type(event).__name__)
def test_nothing_moves_a_node_that_another_holds(event: RunEvent) -> None:
    story = one_node()
    story.claim("a", by="holder")

    decision = story.tell(event)

    assert decision.outcome is Outcome.LATE
    assert story.states() == {"a": "running"}


@pytest.mark.parametrize("event", NODE_EVENTS, ids=lambda event: type(event).__name__)
def test_nothing_moves_a_node_that_has_failed(event: RunEvent) -> None:
    story = one_node()
    story.fail("a", BROKEN)
    before = story.run

    assert story.tell(event).run is before


def test_an_event_of_an_unknown_node_is_an_error_of_its_own() -> None:
    with pytest.raises(UnknownNode, match="b"):
        one_node().tell(RetryCameDue(node="b", attempt=1))


def test_a_token_of_another_attempt_is_refused() -> None:
    story = one_node()
    story.claim("a")

    wrong = AttemptSucceeded(node="a", attempt=1, token=UUID(int=1), output=b"{}")

    assert story.tell(wrong).outcome is Outcome.LATE
