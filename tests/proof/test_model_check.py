"""The node's protocol is safe in every state and can end from every state; and the checker would tell if not."""

import pytest

from orchestrator.domain import timely
from orchestrator.domain.events import AttemptFailed, AttemptParked, AttemptReleased, AttemptSucceeded
from tests.proof.model_check import check
from tests.proof.node_protocol import NodeProtocol


def test_node_protocol_is_safe_in_every_state_and_can_end_from_every_state() -> None:
    report = NodeProtocol().explore()

    assert report.violation is None, "\n".join(report.trace)
    assert report.states > 10_000, "the model lost most of its states: it proves less than it did"
    assert report.ends > 1_000


def test_checker_tells_of_a_result_accepted_whatever_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    results = (AttemptSucceeded, AttemptFailed, AttemptReleased, AttemptParked)
    monkeypatch.setattr(
        "orchestrator.domain.decide.is_timely",
        lambda run, node, event: isinstance(event, results) or timely.is_timely(run, node, event),
    )

    report = NodeProtocol().explore()

    assert report.violation is not None
    assert "was accepted while" in report.violation or "goes from succeeded" in report.violation


def test_checker_tells_of_a_missing_attempt_and_token_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.domain.decide.speaks_of_current", lambda node, event: True)

    report = NodeProtocol().explore()

    assert report.violation is not None
    assert "was accepted from one who holds nothing" in report.violation


def test_checker_tells_of_a_missing_sweep() -> None:
    report = NodeProtocol(with_sweep=False).explore()

    assert report.violation == "stuck: no end can be reached any more"


def test_checker_finds_the_shortest_way_to_an_unsafe_state() -> None:
    def never_three(number: int) -> None:
        if number == 3:
            raise AssertionError("three")

    report = check(
        0,
        successors=lambda number: [(f"+{by}", number + by) for by in (1, 2)],
        has_ended=bool,
        assert_safe=never_three,
    )

    assert report.violation == "unsafe: three"
    assert report.trace == ("start", "+1", "+2", "then: three")
