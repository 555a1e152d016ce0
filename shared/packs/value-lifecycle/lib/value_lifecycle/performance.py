"""What came of commitments: measurements taken in, attainment, trend and forecast, and what to do where it lags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from value_lifecycle.reading import Reading
from value_lifecycle.records import Commitment, Intervention, Kpi, Measurement, Performance, Plan
from value_lifecycle.trends import chance, line, months_between, months_later

AT_RISK_PROBABILITY = 0.5
BEHIND = ("at-risk", "missed", "not-measured")
FORECAST_POINTS_MIN = 3  # with fewer, a straight line says nothing of its own error
FIRST_WITHIN_MONTHS = 1  # so long after its start nothing needs to be measured yet
ACT_WITHIN_MONTHS = 1


@dataclass(frozen=True)
class Taken:
    """What of a file counts, and what does not, with the reason."""

    accepted: list[Measurement]
    rejected: list[str]


def taken_in(
    readings: Sequence[Reading],
    commitments: Mapping[tuple[str, str], Commitment],
    kpis: Mapping[str, Kpi],
    *,
    as_of: date,
) -> Taken:
    """Of several values of one day the first one counts."""
    accepted: dict[str, Measurement] = {}
    rejected: list[str] = []
    for reading in readings:
        reason = _why_not(reading, commitments, kpis, as_of=as_of)
        if reason is None:
            one = _measurement(reading, commitments[reading.account, reading.metric].program)
            if one.key not in accepted:
                accepted[one.key] = one
                continue
            reason = f"{reading.date} was measured before, in {accepted[one.key].source}"
        rejected.append(f"{reading.source}: {reason}")
    return Taken(list(accepted.values()), rejected)


def performance_of(one: Commitment, kpi: Kpi, taken: Sequence[Measurement], *, as_of: date) -> Performance:
    """Attainment is the share of the way from baseline to target; the line goes through the baseline, too."""
    start, due = date.fromisoformat(one.start), date.fromisoformat(one.due)
    taken = sorted((each for each in taken if each.date <= as_of.isoformat()), key=lambda each: each.date)
    points = [(0.0, one.baseline)]
    points += [(months_between(start, date.fromisoformat(each.date)), each.value) for each in taken]
    fitted, length = line(points), months_between(start, due)
    latest = points[-1][1]
    attainment = _attainment(one, latest)
    expected = min(1.0, max(0.0, months_between(start, as_of) / length))
    likely = (
        chance(fitted, month=length, target=one.target, sign=kpi.sign)
        if len(points) >= FORECAST_POINTS_MIN
        else 0.0
    )
    return Performance(
        program=one.program,
        account=one.account,
        metric=one.metric,
        as_of=as_of.isoformat(),
        measured=len(taken),
        latest=latest,
        attainment=round(attainment, 4),
        expected=round(expected, 4),
        trend=round(fitted.slope, 4),
        forecast=round(fitted.at(length), 4),
        probability=round(likely, 3),
        realized=round(_realized(one, points, until=months_between(start, as_of)), 2),
        value=one.value,
        status=_status(
            attainment,
            expected=expected,
            likely=likely,
            points=len(points),
            is_over=as_of >= due,
            is_due=as_of > months_later(start, FIRST_WITHIN_MONTHS),
        ),
    )


def intervention_for(one: Performance, commitment: Commitment, kpi: Kpi, plan: Plan | None) -> Intervention:
    """For a commitment that is behind: why, what to do first, and how fast it must become."""
    as_of, due = date.fromisoformat(one.as_of), date.fromisoformat(commitment.due)
    act_by = months_later(as_of, ACT_WITHIN_MONTHS)
    left = max(1.0, months_between(as_of, due))
    needed = max(0.0, kpi.sign * (commitment.target - one.latest)) / left
    shown = kpi.sign * one.trend
    cause = _cause(one, shown=shown, tolerance=plan.tolerance if plan else 0.0)
    return Intervention(
        program=one.program,
        account=one.account,
        metric=one.metric,
        status=one.status,
        cause=cause,
        action=_action(cause, kpi, needed=needed, shown=shown),
        owner=commitment.owner,
        due=act_by.isoformat(),
        needed_per_month=round(needed, 4),
        shown_per_month=round(shown, 4),
        value_at_risk=round(one.value * (1 - min(1.0, max(0.0, one.attainment))), 2),
    )


def _why_not(
    reading: Reading,
    commitments: Mapping[tuple[str, str], Commitment],
    kpis: Mapping[str, Kpi],
    *,
    as_of: date,
) -> str | None:
    one = commitments.get((reading.account, reading.metric))
    if one is None:
        return f"nothing is committed for {reading.metric} of {reading.account}"
    kpi = kpis[reading.metric]
    if not kpi.minimum <= reading.value <= kpi.maximum:
        return f"{reading.value:g} is outside {kpi.minimum:g} to {kpi.maximum:g} {kpi.unit}"
    if reading.date > as_of:
        return f"{reading.date} is after {as_of}"
    if reading.date.isoformat() <= one.start:
        return f"{reading.date} is not after {one.start}, when the commitment began"
    return None


def _measurement(reading: Reading, program: str) -> Measurement:
    return Measurement(
        program=program,
        account=reading.account,
        metric=reading.metric,
        date=reading.date.isoformat(),
        value=reading.value,
        source=reading.source,
    )


def _attainment(one: Commitment, value: float) -> float:
    return (value - one.baseline) / (one.target - one.baseline)


def _realized(one: Commitment, points: Sequence[tuple[float, float]], *, until: float) -> float:
    """Value so far: each measured level counts until the next measurement, at most as the whole and never below 0."""
    ends = [month for month, _ in points[1:]] + [until]
    levels = [min(1.0, max(0.0, _attainment(one, value))) for _, value in points]
    months = [max(0.0, end - start) for (start, _), end in zip(points, ends, strict=True)]
    return one.value / 12 * sum(level * month for level, month in zip(levels, months, strict=True))


def _status(
    attainment: float, *, expected: float, likely: float, points: int, is_over: bool, is_due: bool
) -> str:
    if points == 1:
        return "not-measured" if is_due else "not-due"
    if attainment >= 1:
        return "achieved"
    if is_over:
        return "missed"
    if points < FORECAST_POINTS_MIN:
        return "on-track" if attainment >= expected else "at-risk"
    return "on-track" if likely >= AT_RISK_PROBABILITY else "at-risk"


def _cause(one: Performance, *, shown: float, tolerance: float) -> str:
    if one.status == "not-measured":
        return "nobody has measured it"
    if abs(shown) * one.measured <= tolerance:
        return "it stands still: what changed is within the noise"
    if shown < 0:
        return "it becomes worse"
    return "it improves, but too slowly"


def _action(cause: str, kpi: Kpi, *, needed: float, shown: float) -> str:
    """The first lever of the metric where little was tried, the next one where the first did not do."""
    if cause.startswith("nobody"):
        return "measure it, and name who does so"
    lever = kpi.levers[0] if cause.startswith("it stands") else kpi.levers[min(1, len(kpi.levers) - 1)]
    pace = f"{needed:.2f} {kpi.unit} a month are needed, {max(0.0, shown):.2f} were shown"
    return f"{lever}: {pace}"
