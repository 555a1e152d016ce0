"""When a failed attempt comes again: requirement V2, to the millisecond."""

from datetime import timedelta

import pytest

from orchestrator.domain.retry import is_worth_retrying, next_delay
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.workflow import RETRY_PROFILES, RetryProfile
from tests.builders import retrying


def seconds(name: str, *, spread: float = 0.0) -> list[float]:
    profile = RETRY_PROFILES[name]
    delays = [next_delay(profile, attempt=attempt, spread=spread) for attempt in range(1, profile.attempts)]
    return [delay.total_seconds() for delay in delays if delay is not None]


@pytest.mark.parametrize(
    ("name", "delays"),
    [
        ("standard", [0.5, 1.0]),
        ("aggressive", [1.0, 2.0, 4.0, 8.0]),
        ("conservative", [1.0]),
        ("none", []),
    ],
)
def test_the_profiles_wait_as_the_requirement_says(name: str, delays: list[float]) -> None:
    assert seconds(name) == delays


def test_jitter_spreads_by_its_share_both_ways() -> None:
    assert seconds("standard", spread=-1.0) == [0.375, 0.75]
    assert seconds("standard", spread=1.0) == [0.625, 1.25]
    assert seconds("conservative", spread=1.0) == [1.0]


@pytest.mark.parametrize("name", list(RETRY_PROFILES))
def test_after_the_last_attempt_there_is_no_other(name: str) -> None:
    profile = RETRY_PROFILES[name]

    assert next_delay(profile, attempt=profile.attempts, spread=0.0) is None


def test_no_delay_is_longer_than_the_longest_even_with_jitter() -> None:
    profile = retrying(100, delay_max=timedelta(seconds=5), jitter=0.25)

    assert next_delay(profile, attempt=50, spread=1.0) == timedelta(seconds=5)


def test_a_factor_that_would_overflow_meets_the_longest_delay() -> None:
    profile = retrying(100, factor=1e9)

    assert next_delay(profile, attempt=99, spread=0.0) == profile.delay_max


def test_no_delay_stays_none_whatever_the_factor() -> None:
    profile = retrying(100, delay=timedelta(0), factor=1e9)

    assert next_delay(profile, attempt=99, spread=1.0) == timedelta(0)


def test_a_lost_runner_is_worth_another_attempt_whatever_the_author_listed() -> None:
    profile = RetryProfile(3, timedelta(0), timedelta(0), 1.0, 0.0, frozenset({ErrorClass.TIMEOUT}))

    assert is_worth_retrying(profile, Failure("LeaseLapsed", "gone", ErrorClass.LOST))
    assert not is_worth_retrying(profile, Failure("Reset", "line dropped", ErrorClass.NETWORK))
