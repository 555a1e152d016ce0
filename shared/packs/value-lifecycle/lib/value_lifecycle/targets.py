"""Targets for what was selected, whether they can be reached, and what speaks against committing to one."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from statistics import NormalDist

from value_lifecycle.records import Account, Kpi, Opportunity, Target
from value_lifecycle.trends import months_between, months_later

REACHABLE_TIMES = 1.5  # of the best change that a peer has shown: effort helps, wonders are not planned
STRETCH_TIMES = 3.0
HORIZON_MONTHS_MAX = 24
ON_TREND_PROBABILITY = 0.5


def target_of(one: Opportunity, kpi: Kpi, *, ambition: float, start: date, horizon_months: int) -> Target:
    """To close the share `ambition` of the gap within `horizon_months`."""
    goal = one.current + kpi.sign * ambition * one.gap
    due = months_later(start, horizon_months)
    forecast = one.current + one.trend * months_between(start, due)
    probability = _probability(forecast, goal, noise=one.noise, sign=kpi.sign)
    return Target(
        program=one.program,
        account=one.account,
        metric=one.metric,
        baseline=one.current,
        target=round(goal, 4),
        start=start.isoformat(),
        due=due.isoformat(),
        value=round(ambition * one.value, 2),
        forecast=round(forecast, 4),
        probability=round(probability, 3),
        feasibility=_feasibility(one, needed=ambition * one.gap / horizon_months, probability=probability),
        status="proposed",
    )


def judged(
    target: Target, kpi: Kpi, account: Account, *, open_places: Collection[tuple[str, str]], as_of: date
) -> Target:
    """Approved, or rejected with all reasons."""
    due = date.fromisoformat(target.due)
    ahead = kpi.sign * (target.target - target.baseline)
    checks = (
        (
            not kpi.minimum <= target.target <= kpi.maximum,
            f"{target.target:g} {kpi.unit} is outside {kpi.minimum:g} to {kpi.maximum:g}",
        ),
        (ahead <= 0, f"{target.target:g} is no improvement over {target.baseline:g}: {kpi.better} is better"),
        (due <= as_of, f"is due on {target.due}, which is not after {as_of.isoformat()}"),
        (due > months_later(as_of, HORIZON_MONTHS_MAX), f"is due in more than {HORIZON_MONTHS_MAX} months"),
        (
            target.feasibility == "out-of-reach",
            f"needs more than {STRETCH_TIMES:g} times the best change that a peer has shown",
        ),
        (target.place in open_places, "there is an open commitment for this metric of this account"),
        (not account.owner, "the account has no owner who could commit to it"),
    )
    reasons = tuple(reason for broken, reason in checks if broken)
    return replace(target, status="rejected" if reasons else "approved", reasons=reasons)


def needs_person(approved: Sequence[Target], *, auto_approve_below: float, approved_by: str) -> bool:
    """Whether somebody must be asked: nobody has approved yet, and together the targets are at the limit or above."""
    return not approved_by and sum(target.value for target in approved) >= auto_approve_below


def _probability(forecast: float, goal: float, *, noise: float, sign: int) -> float:
    ahead = sign * (forecast - goal)
    if noise == 0:
        return 1.0 if ahead >= 0 else 0.0
    return NormalDist(sigma=noise).cdf(ahead)


def _feasibility(one: Opportunity, *, needed: float, probability: float) -> str:
    """From what the trend gives by itself to what no peer has come near. Without a past that shows a change,
    what could be made is unknown: a stretch."""
    if probability >= ON_TREND_PROBABILITY:
        return "on-trend"
    if one.best_change == 0:
        return "stretch"
    if needed <= REACHABLE_TIMES * one.best_change:
        return "reachable"
    return "stretch" if needed <= STRETCH_TIMES * one.best_change else "out-of-reach"
