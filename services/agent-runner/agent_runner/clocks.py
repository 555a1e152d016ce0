"""The clock by which a runner judges its leases."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def lease_clock() -> float:
    """Seconds that only grow, also while this process is stopped or the machine sleeps.

    A machine that slept past its leases must notice: `time.monotonic` stands still meanwhile on Linux.
    """
    return time.clock_gettime(_CLOCK)
