"""The pure rules: which kinds a pattern means, and when a failed delivery is tried again."""

from datetime import timedelta

import pytest

from notifier.rules.kinds import first_kind, pattern_of, problem_of
from notifier.rules.schedule import DELAYS, JITTER, next_delay


@pytest.mark.parametrize(
    ("pattern", "kind", "is_meant"),
    [
        ("run.failed", "run.failed", True),
        ("run.failed", "run.failed_again", False),
        ("run.*", "run.failed", True),
        ("run.*", "node.failed", False),
        ("*.failed", "node.failed", True),
        ("*", "node.compensation_failed", True),
        ("run.", "runs", False),
    ],
)
def test_a_pattern_means_whole_kinds(pattern: str, kind: str, is_meant: bool) -> None:
    assert (pattern_of([pattern]).fullmatch(kind) is not None) == is_meant


@pytest.mark.parametrize("event", ["run.faild", "penstock.run.failed"])
def test_a_kind_that_there_is_not_names_the_nearest(event: str) -> None:
    assert "did you mean 'run.failed'?" in problem_of(event)


def test_a_sample_is_of_a_kind_that_is_asked_for() -> None:
    assert first_kind(["node.f*"]) == "node.failed"


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    delays = [next_delay(failed=count, spread=0.0) for count in range(1, len(DELAYS) + 1)]

    assert delays == [*DELAYS[1:], None]
    assert sum(DELAYS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


def test_jitter_only_ever_adds() -> None:
    assert next_delay(failed=2, spread=1.0) == DELAYS[2] * (1 + JITTER)


def test_a_target_can_ask_for_more_time_but_not_for_ever() -> None:
    assert next_delay(failed=1, spread=0.0, asked=timedelta(minutes=9)) == timedelta(minutes=9)
    assert next_delay(failed=2, spread=0.0, asked=timedelta(seconds=1)) == DELAYS[2]
    assert next_delay(failed=1, spread=0.0, asked=timedelta(days=400)) == timedelta(days=1)
