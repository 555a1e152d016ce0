"""Money over time: present value, internal rate of return, payback. Flows are a month each, the first one is today."""

from collections.abc import Sequence
from itertools import accumulate

RATE_MAX = 1_000.0  # a year, 100,000 %; a return above it is called that
STEPS = 200  # halvings: far below a cent


def npv(flows: Sequence[float], *, rate: float) -> float:
    """At `rate` a year."""
    monthly = (1 + rate) ** (1 / 12)
    return float(sum(flow / monthly**month for month, flow in enumerate(flows)))


def irr(flows: Sequence[float]) -> float | None:
    """A year, RATE_MAX at most; None where no rate brings the present value to 0, or where nothing was paid."""
    low, high = -0.99, RATE_MAX
    if min(flows) >= 0 or npv(flows, rate=low) < 0:
        return None
    if npv(flows, rate=high) > 0:
        return RATE_MAX
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if npv(flows, rate=middle) > 0 else (low, middle)
    return (low + high) / 2


def payback_months(flows: Sequence[float]) -> float | None:
    """When what came in makes up for what went out, for good; None if never."""
    sums = list(accumulate(flows))
    if sums[-1] < 0:
        return None
    last = max((month for month, total in enumerate(sums) if total < 0), default=-1)
    return last + -sums[last] / flows[last + 1] if last >= 0 else 0.0


def flows(
    *, value: float, cost_once: float, cost_per_year: float, months_to_effect: int, horizon_months: int
) -> list[float]:
    """What one undertaking costs and brings: the value grows in a straight line until it takes full effect."""
    ramp = [
        min(1.0, month / months_to_effect) if months_to_effect else 1.0
        for month in range(1, horizon_months + 1)
    ]
    return [-cost_once] + [(value * share - cost_per_year) / 12 for share in ramp]
