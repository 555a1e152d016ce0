"""How fast something may happen: so many times a second, with one second's worth at once after a pause."""

BURST_S = 1.0


def admit(full_until: float, *, now: float, per_second: float) -> tuple[float, float]:
    """(the new `full_until`, seconds to wait); with any to wait, nothing was admitted and nothing changes.

    Each admission fills 1/`per_second` of a second from `now` on, and no more than BURST_S may be filled ahead
    (the generic cell rate algorithm: one number is all that is kept). `full_until` of the first time: 0.
    """
    filled = max(full_until, now) + 1 / per_second
    ahead_max = max(BURST_S, 1 / per_second)
    wait = filled - now - ahead_max
    if wait > 1e-9:  # sums of fractions
        return full_until, wait
    return filled, 0.0
