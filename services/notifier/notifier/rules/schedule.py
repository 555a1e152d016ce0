"""When a failed delivery is tried again, and when it is given up."""

from datetime import timedelta

DELAYS = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Before each try, counted from the one before. Source: Standard Webhooks 1.0.0, "Deliverability and reliability"."""

JITTER = 0.2  # a share of the delay, added: targets that were away together are not all called together
RETRY_AFTER_MAX = DELAYS[-1]  # a target cannot put us off for longer than the schedule itself does


def next_delay(*, failed: int, spread: float, asked: timedelta | None = None) -> timedelta | None:
    """How long to wait after `failed` failed tries (1 or more), or None to give up.

    `spread` in [0, 1] places the delay in the jitter band; `asked` is what the target wants at least.
    """
    if failed >= len(DELAYS):
        return None
    delay = DELAYS[failed] * (1 + JITTER * spread)
    return max(delay, min(asked, RETRY_AFTER_MAX)) if asked else delay
