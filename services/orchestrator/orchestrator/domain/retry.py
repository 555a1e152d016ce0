"""Whether a failed attempt is repeated, and when (requirements V2 and V3)."""

from datetime import timedelta

from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.workflow import RetryProfile


def is_worth_retrying(profile: RetryProfile, failure: Failure) -> bool:
    """The agent's own word counts first; without it, the class of the error.

    A lost runner says nothing about the agent, so it is always worth another attempt, whatever `retry_on` lists.
    """
    if failure.error_class is ErrorClass.LOST:
        return True
    if failure.retryable is not None:
        return failure.retryable
    return failure.error_class in profile.retry_on


def next_delay(profile: RetryProfile, *, attempt: int, spread: float) -> timedelta | None:
    """How long to wait after failed attempt `attempt` (1-based), or None to give up.

    `spread` in [-1, 1] places the delay inside the jitter band. Source: requirement V2.
    """
    assert attempt >= 1, "attempts are counted from 1"
    assert -1 <= spread <= 1, "the spread lies in [-1, 1]"
    if attempt >= profile.attempts:
        return None
    return min(_grown(profile, attempt) * (1 + profile.jitter * spread), profile.delay_max)


def _grown(profile: RetryProfile, attempt: int) -> timedelta:
    """The delay without jitter. Step by step, for `factor ** attempt` can overflow."""
    seconds, seconds_max = profile.delay.total_seconds(), profile.delay_max.total_seconds()
    for _ in range(attempt - 1):
        seconds *= profile.factor
        if seconds >= seconds_max:
            break
    return timedelta(seconds=min(seconds, seconds_max))
