"""Finds where an account is behind its peers, says what closing the gap is worth, and puts that in order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import log1p, sqrt

from value_lifecycle.reading import Data, Reading
from value_lifecycle.records import Account, Kpi, Opportunity
from value_lifecycle.trends import Line, line, months_between, percentile, quantile

CURRENT_MONTHS = 3  # what an account is at: the mean of so many observations, for a single one is noise
TREND_MONTHS = 12
BEST_MONTHS = 6  # a change that lasted so long is one that can be made
BENCHMARK_SHARE = 0.75  # the top quarter of the peers: seen in reality, and not its best accident
PEERS_MIN = 4  # below it all accounts are the peers
PEERS_ENOUGH = 8
MONTHS_ENOUGH = 12

Series = Mapping[tuple[str, str], Sequence[Reading]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an opportunity must hold to be worth a target."""

    value_min: float = 10_000
    confidence_min: float = 0.3
    months_min: int = 6
    age_months_max: float = 3
    revenue_share_max: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What counts how much in the order; only their proportions matter."""

    value: float = 0.5
    confidence: float = 0.2
    ease: float = 0.2
    urgency: float = 0.1


def research(data: Data, *, as_of: date) -> list[Opportunity]:
    """Every metric of every account that is behind its benchmark, in the order of their keys."""
    series = _series(data.readings, as_of=as_of)
    currents = {place: _current(readings) for place, readings in series.items()}
    changes = {
        (account, metric): _best_change(readings, sign=data.kpis[metric].sign)
        for (account, metric), readings in series.items()
    }
    found = (
        _opportunity(
            data.accounts[account],
            data.kpis[metric],
            readings,
            peers=_peers(data, currents, account, metric),
            best_change=max(_peers(data, changes, account, metric)),
        )
        for (account, metric), readings in sorted(series.items())
    )
    return [one for one in found if one.gap > 0]


def validated(one: Opportunity, account: Account, *, limits: Limits, as_of: date) -> Opportunity:
    """The opportunity with its status and all reasons against it."""
    age = months_between(date.fromisoformat(one.latest), as_of)
    checks = (
        (one.value < limits.value_min, f"worth {one.value:,.0f}, less than {limits.value_min:,.0f}"),
        (one.months < limits.months_min, f"observed in {one.months} months, fewer than {limits.months_min}"),
        (age > limits.age_months_max, f"last observed {age:.1f} months ago, on {one.latest}"),
        (
            one.confidence < limits.confidence_min,
            f"confidence {one.confidence:.2f} is below {limits.confidence_min:.2f}",
        ),
        (one.gap <= 2 * one.noise, f"a gap of {one.gap:.2f} is within the noise of ±{2 * one.noise:.2f}"),
        (
            one.value > limits.revenue_share_max * account.revenue,
            f"worth more than {limits.revenue_share_max:.0%} of the account's revenue, which is not plausible",
        ),
        (not account.owner, "the account has no owner who could commit to it"),
    )
    reasons = tuple(reason for broken, reason in checks if broken)
    return replace(one, status="rejected" if reasons else "valid", reasons=reasons)


def prioritized(
    valid: Sequence[Opportunity], kpis: Mapping[str, Kpi], *, weights: Weights, limit: int
) -> list[Opportunity]:
    """Best first, with score and rank; the first `limit` are selected. Each part of a score goes from 0 to 1."""
    if not valid:
        return []
    parts = {one.key: _parts(one, kpis[one.metric], most=max(each.value for each in valid)) for one in valid}
    total = weights.value + weights.confidence + weights.ease + weights.urgency
    scores = {
        key: sum(getattr(weights, name) * part for name, part in each.items()) / total
        for key, each in parts.items()
    }
    ordered = sorted(valid, key=lambda one: (-scores[one.key], one.key))
    return [
        replace(
            one,
            score=round(scores[one.key], 4),
            rank=rank,
            status="selected" if rank <= limit else "ranked",
            reasons=(),
        )
        for rank, one in enumerate(ordered, start=1)
    ]


def _parts(one: Opportunity, kpi: Kpi, *, most: float) -> dict[str, float]:
    worsening = max(0.0, -kpi.sign * one.trend)
    return {
        "value": log1p(one.value) / log1p(most) if most else 0.0,
        "confidence": one.confidence,
        "ease": one.value
        / (one.value + kpi.cost_once + kpi.cost_per_year + 1)
        / (1 + kpi.months_to_effect / 12),
        "urgency": min(1.0, 12 * worsening / one.gap),  # in a year it would have lost as much again
    }


def _series(readings: Sequence[Reading], *, as_of: date) -> Series:
    """By place, in the order of time; of several readings of a day the last one."""
    days: dict[tuple[str, str], dict[date, Reading]] = defaultdict(dict)
    for reading in readings:
        if reading.date <= as_of:
            days[reading.account, reading.metric][reading.date] = reading
    return {place: [by_day[day] for day in sorted(by_day)] for place, by_day in days.items()}


def _current(readings: Sequence[Reading]) -> float:
    last = readings[-CURRENT_MONTHS:]
    return sum(reading.value for reading in last) / len(last)


def _peers(data: Data, values: Mapping[tuple[str, str], float], account: str, metric: str) -> list[float]:
    """The values of accounts of the same segment, itself among them; of all accounts where those are too few."""
    segment = data.accounts[account].segment
    near = [
        value for (other, name), value in values.items()
        if name == metric and data.accounts[other].segment == segment
    ]  # fmt: skip
    return (
        near if len(near) >= PEERS_MIN else [value for (_, name), value in values.items() if name == metric]
    )


def _opportunity(
    account: Account, kpi: Kpi, readings: Sequence[Reading], *, peers: Sequence[float], best_change: float
) -> Opportunity:
    current = _current(readings)
    benchmark = quantile(peers, BENCHMARK_SHARE if kpi.sign > 0 else 1 - BENCHMARK_SHARE)
    gap = max(0.0, kpi.sign * (benchmark - current))
    fitted = _fitted(readings[-TREND_MONTHS:])
    noise = (fitted.deviation or 0.0) / sqrt(min(CURRENT_MONTHS, len(readings)))
    return Opportunity(
        program=account.program,
        account=account.account,
        metric=kpi.metric,
        current=round(current, 4),
        benchmark=round(benchmark, 4),
        percentile=round(percentile(current, peers, sign=kpi.sign), 1),
        gap=round(gap, 4),
        value=round(gap * kpi.revenue_share_per_unit * account.revenue, 2),
        confidence=_confidence(gap, noise=noise, months=len(readings), peers=len(peers)),
        months=len(readings),
        noise=round(noise, 4),
        trend=round(fitted.slope, 4),
        best_change=round(best_change, 4),
        latest=readings[-1].date.isoformat(),
        peers=len(peers),
        status="found",
    )


def _confidence(gap: float, *, noise: float, months: int, peers: int) -> float:
    """The product of: observed long enough, a gap above its noise, and peers enough to compare with."""
    clear = gap / (gap + 2 * noise) if gap else 0.0
    return round(min(1.0, months / MONTHS_ENOUGH) * clear * min(1.0, peers / PEERS_ENOUGH), 3)


def _best_change(readings: Sequence[Reading], *, sign: int) -> float:
    windows = (readings[start : start + BEST_MONTHS] for start in range(len(readings) - BEST_MONTHS + 1))
    return max([0.0, *(sign * _fitted(window).slope for window in windows)])


def _fitted(readings: Sequence[Reading]) -> Line:
    first = readings[0].date
    return line([(months_between(first, reading.date), reading.value) for reading in readings])
