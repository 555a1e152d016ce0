"""The clock by which a runner judges its leases, and how long it trusts one."""

import time

LEASE_MARGIN_SHARE = 0.1  # of a lease: time for a sandbox to die in, and for clocks that drift apart

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def lease_clock() -> float:
    """Seconds that only grow, also while this process is stopped or the machine sleeps.

    A machine that slept past its leases must notice: `time.monotonic` stands still meanwhile on Linux.
    """
    return time.clock_gettime(_CLOCK)


def safe_until(*, sent_at: float, lease_s: float) -> float:
    """Until when nobody else can hold an attempt whose lease was granted to a request sent at `sent_at`.

    The lease counts from when it was asked for: the answer may have been long on its way.
    """
    return sent_at + lease_s * (1 - LEASE_MARGIN_SHARE)
