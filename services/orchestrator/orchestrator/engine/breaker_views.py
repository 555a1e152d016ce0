"""What people read of circuit breakers."""

from datetime import datetime

import msgspec

from penstock.contracts.workflow import BreakerPolicy


class PolicyView(msgspec.Struct, frozen=True):
    """Opens when of at least `minimum` outcomes within `window_s`, half or more and at least `failures` failed."""

    failures: int
    minimum: int
    cooldown_s: float
    window_s: float

    @classmethod
    def of(cls, policy: BreakerPolicy) -> "PolicyView":
        return cls(
            failures=policy.failures,
            minimum=policy.minimum,
            cooldown_s=policy.cooldown.total_seconds(),
            window_s=policy.window.total_seconds(),
        )


class BreakerView(msgspec.Struct, frozen=True):
    """One breaker. `open_until` is when a probe may go; None while open: until a person closes it.

    `succeeded` and `failed` are the outcomes that count, or those that opened it. While it is half-open at most
    `step` may call at a time, and `calling` do. `waiting` nodes are held back, `refusals` claims were.
    """

    key: str
    state: str
    policy: PolicyView
    succeeded: int
    failed: int
    last_failure: str
    opened_at: datetime | None
    open_until: datetime | None
    step: int | None
    calling: int
    waiting: int
    refusals: int
    changed_at: datetime
    changed_by: str


class BreakerEvent(msgspec.Struct, frozen=True):
    """A change: who made it and why. `by` is penstock when no person did."""

    at: datetime
    from_state: str
    to_state: str
    by: str
    reason: str


class BreakerDetail(BreakerView, frozen=True, kw_only=True):
    """A breaker with its last changes, the latest first."""

    events: tuple[BreakerEvent, ...]


class BreakersView(msgspec.Struct, frozen=True):
    """All breakers of the project that were ever asked, by key."""

    items: tuple[BreakerView, ...]
