"""A circuit breaker: closed, open, half-open. What its callers report goes in, whether the next may call comes out.

```
closed ── too many failures in the window ──▶ open ── the cooldown is over: one probe ──▶ half_open
   ▲                                            ▲                                             │
   │                                            └───────────────── a failure ─────────────────┤
   └──────────── `minimum` successes, one at a time, then 2, 4, 8 … at a time ────────────────┘
```
A person may open it (for a while, or until it is closed again), close it, and reset it. Requirement V5.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.value import Value, replace
from penstock.contracts.workflow import BreakerPolicy

SLICES = 10  # of a window: how finely old outcomes fall out of it
FAILURE_CHARS_MAX = 300  # of the last failure, kept for people


class BreakerState(StrEnum):
    CLOSED = "closed"  # everybody may call
    OPEN = "open"  # nobody may
    HALF_OPEN = "half_open"  # at most `step` at a time


class Report(StrEnum):
    """What the end of an attempt says about what it depended on."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOTHING = "nothing"  # cancelled, given back, lost, or wrong by itself


class Slice(Value, frozen=True):
    """The outcomes of a tenth of the window."""

    began: datetime
    succeeded: int
    failed: int


class Permit(Value, frozen=True):
    """One of the few that may call a half-open breaker; void after `until`, should its end go unreported."""

    holder: UUID
    until: datetime


class Breaker(Value, frozen=True):
    """One breaker. Of an open one `open_until` is when a probe may go; None: when a person says so.

    `recovered` counts the successes since it is half-open, `refusals` the claims turned down since it opened.
    While it is not closed, `outcomes` are those that opened it.
    """

    policy: BreakerPolicy = BreakerPolicy()
    state: BreakerState = BreakerState.CLOSED
    outcomes: tuple[Slice, ...] = ()
    last_failure: str = ""
    opened_at: datetime | None = None
    open_until: datetime | None = None
    permits: tuple[Permit, ...] = ()
    recovered: int = 0
    refusals: int = 0

    @property
    def step(self) -> int:
        """How many may call at a time while half-open: 1, then 2, 4, 8 … as each step has succeeded."""
        return 1 << ((self.recovered + 1).bit_length() - 1)

    @property
    def succeeded(self) -> int:
        return sum(slice_.succeeded for slice_ in self.outcomes)

    @property
    def failed(self) -> int:
        return sum(slice_.failed for slice_ in self.outcomes)


class Admitted(Value, frozen=True):
    """It may call."""


class Probe(Value, frozen=True):
    """It may call, as the one that finds out."""


class Refused(Value, frozen=True):
    """It must wait, until `until` if that is known."""

    until: datetime | None
    reason: str


Verdict: TypeAlias = Admitted | Probe | Refused

# Everything else speaks of the dependency: `error` too, for an agent that fails without saying why may be broken.
INNOCENT = frozenset(
    {
        ErrorClass.VALIDATION,
        ErrorClass.AUTHENTICATION,
        ErrorClass.AUTHORISATION,
        ErrorClass.HTTP_400,
        ErrorClass.HTTP_401,
        ErrorClass.HTTP_403,
        ErrorClass.HTTP_404,
        ErrorClass.RESOURCE,  # the agent asked the sandbox for too much
        ErrorClass.LOST,  # a dead runner says nothing about what it called
    }
)


def report_of(failure: Failure) -> Report:
    """Bad input, missing rights and lost runners are no fault of what was called."""
    return Report.NOTHING if failure.error_class in INNOCENT else Report.FAILED


def ask(breaker: Breaker, *, now: datetime) -> Verdict:
    """Whether one more may call. Changes nothing: `admit` or `refuse` follows."""
    match breaker.state:
        case BreakerState.CLOSED:
            return Admitted()
        case BreakerState.OPEN:
            if breaker.open_until is not None and now >= breaker.open_until:
                return Probe()
            return Refused(breaker.open_until, _why_open(breaker))
        case BreakerState.HALF_OPEN:
            if len(_live(breaker.permits, now)) < breaker.step:
                return Admitted()
            few = "1 probe" if breaker.step == 1 else f"{breaker.step} calls"
            return Refused(None, f"is half-open and lets {few} through at a time{_last(breaker)}")


def admit(breaker: Breaker, *, holder: UUID, until: datetime, now: datetime) -> Breaker:
    """`holder` calls; only after `ask` allowed it."""
    if breaker.state is BreakerState.CLOSED:
        return breaker
    assert not isinstance(ask(breaker, now=now), Refused), "a caller that was refused was admitted"
    permit = Permit(holder, until)
    if breaker.state is BreakerState.OPEN:
        return replace(breaker, state=BreakerState.HALF_OPEN, open_until=None, permits=(permit,), recovered=0)
    return replace(breaker, permits=(*_live(breaker.permits, now), permit))


def refuse(breaker: Breaker) -> Breaker:
    return replace(breaker, refusals=breaker.refusals + 1)


def record(breaker: Breaker, report: Report, *, holder: UUID, now: datetime, failure: str = "") -> Breaker:
    """What became of `holder`'s call. Only holders of a permit speak to a breaker that is not closed."""
    match breaker.state:
        case BreakerState.CLOSED:
            return _record_closed(breaker, report, now, failure)
        case BreakerState.OPEN:
            return breaker
        case BreakerState.HALF_OPEN:
            return _record_half_open(breaker, report, holder, now, failure)


def open_by_hand(breaker: Breaker, *, now: datetime, lasting: timedelta | None) -> Breaker:
    """Nobody may call for `lasting`, or until a person closes it."""
    until = None if lasting is None else now + lasting
    return replace(
        breaker,
        state=BreakerState.OPEN,
        opened_at=now,
        open_until=until,
        permits=(),
        recovered=0,
        refusals=0,
    )


def close(breaker: Breaker) -> Breaker:
    """Everybody may call, and what was is forgiven."""
    return Breaker(policy=breaker.policy, last_failure=breaker.last_failure)


def wait(breaker: Breaker, refused: Refused, *, now: datetime, spread: float) -> timedelta:
    """How long a refused caller waits before it asks again, if nobody wakes it earlier.

    The first of them come back at the moment that is known, for one of them is the probe; the more there are,
    the more `spread` (in [0, 1]) keeps them from coming all at once: up to one more cooldown.
    """
    assert 0 <= spread <= 1, "the spread lies in [0, 1]"
    cooldown = breaker.policy.cooldown
    known = cooldown if refused.until is None else max(refused.until - now, timedelta(0))
    return known + cooldown * spread * (1 - 1 / (breaker.refusals + 1))


def free_permits(breaker: Breaker, *, now: datetime) -> int:
    """How many more a half-open breaker would let through now."""
    if breaker.state is not BreakerState.HALF_OPEN:
        return 0
    return max(0, breaker.step - len(_live(breaker.permits, now)))


def _record_closed(breaker: Breaker, report: Report, now: datetime, failure: str) -> Breaker:
    """Counting begins with the first failure: successes of a healthy dependency cost nothing."""
    recent = _recent(breaker, now)
    if report is Report.NOTHING:
        return breaker
    if report is Report.SUCCEEDED and not any(slice_.failed for slice_ in recent):
        return replace(breaker, outcomes=()) if breaker.outcomes else breaker
    counted = replace(breaker, outcomes=_counted(recent, report, now, breaker.policy.window / SLICES))
    if report is Report.SUCCEEDED:
        return counted
    counted = replace(counted, last_failure=failure[:FAILURE_CHARS_MAX])
    return _opened(counted, now) if _is_too_much(counted) else counted


def _record_half_open(breaker: Breaker, report: Report, holder: UUID, now: datetime, failure: str) -> Breaker:
    others = tuple(permit for permit in breaker.permits if permit.holder != holder)
    if len(others) == len(breaker.permits):
        return breaker  # it called before the breaker opened
    if report is Report.FAILED:
        return _opened(replace(breaker, last_failure=failure[:FAILURE_CHARS_MAX]), now)
    if report is Report.NOTHING:
        return replace(breaker, permits=others)
    recovered = breaker.recovered + 1
    if recovered >= breaker.policy.minimum:
        return close(breaker)
    return replace(breaker, permits=others, recovered=recovered)


def _opened(breaker: Breaker, now: datetime) -> Breaker:
    return replace(
        breaker,
        state=BreakerState.OPEN,
        opened_at=now,
        open_until=now + breaker.policy.cooldown,
        permits=(),
        recovered=0,
        refusals=0,
    )


def _is_too_much(breaker: Breaker) -> bool:
    failed, known = breaker.failed, breaker.failed + breaker.succeeded
    policy = breaker.policy
    return failed >= policy.failures and known >= policy.minimum and 2 * failed >= known


def _recent(breaker: Breaker, now: datetime) -> tuple[Slice, ...]:
    since = now - breaker.policy.window
    return tuple(slice_ for slice_ in breaker.outcomes if slice_.began > since)


def _counted(recent: tuple[Slice, ...], report: Report, now: datetime, width: timedelta) -> tuple[Slice, ...]:
    """A clock that went back a little counts into the latest slice."""
    *older, last = recent or (Slice(now, 0, 0),)
    if now - last.began >= width:
        older, last = [*older, last], Slice(now, 0, 0)
    if report is Report.FAILED:
        return (*older, replace(last, failed=last.failed + 1))
    return (*older, replace(last, succeeded=last.succeeded + 1))


def _live(permits: tuple[Permit, ...], now: datetime) -> tuple[Permit, ...]:
    return tuple(permit for permit in permits if permit.until > now)


def _why_open(breaker: Breaker) -> str:
    if breaker.open_until is None:
        return "is open until a person closes it"
    known = breaker.failed + breaker.succeeded
    figures = f" ({breaker.failed} of {known} calls failed{_last(breaker)})" if known else ""
    return f"is open until {breaker.open_until:%H:%M:%S} UTC{figures}"


def _last(breaker: Breaker) -> str:
    return f", last: {breaker.last_failure}" if breaker.last_failure else ""
