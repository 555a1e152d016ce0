"""Arithmetic of time series: months, percentiles, straight lines and what they forecast."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from statistics import NormalDist, linear_regression

DAYS_A_MONTH = 365.2425 / 12


def months_between(start: date, end: date) -> float:
    return (end - start).days / DAYS_A_MONTH


def months_later(day: date, months: int) -> date:
    """The same day `months` later, or the last of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def quantile(values: Sequence[float], share: float) -> float:
    """With linear interpolation, as spreadsheets do it."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def percentile(value: float, among: Sequence[float], *, sign: int) -> float:
    """The share of values that are worse, those that are equal counted half, from 0 to 100."""
    worse = sum(sign * other < sign * value for other in among)
    equal = sum(other == value for other in among)
    return 100 * (worse + equal / 2) / len(among)


@dataclass(frozen=True)
class Line:
    """Least squares through points (month, value). `deviation` of the points from it; None below three points."""

    slope: float
    intercept: float
    deviation: float | None
    count: int
    middle: float  # mean of the months
    spread: float  # sum of their squared distances from it

    def at(self, month: float) -> float:
        return self.intercept + self.slope * month

    def error_at(self, month: float) -> float:
        """Standard error of a single value to come there: noise of one point, of the mean, and of the slope."""
        if self.deviation is None:
            return 0.0
        return self.deviation * sqrt(1 + 1 / self.count + (month - self.middle) ** 2 / self.spread)


def line(points: Sequence[tuple[float, float]]) -> Line:
    months, values = [point[0] for point in points], [point[1] for point in points]
    middle = sum(months) / len(months)
    spread = sum((month - middle) ** 2 for month in months)
    if spread == 0:
        return Line(0.0, sum(values) / len(values), None, len(points), middle, 1.0)
    slope, intercept = linear_regression(months, values)
    left = sum((value - intercept - slope * month) ** 2 for month, value in points)
    deviation = sqrt(left / (len(points) - 2)) if len(points) > 2 else None
    return Line(slope, intercept, deviation, len(points), middle, spread)


def chance(fitted: Line, *, month: float, target: float, sign: int) -> float:
    """How probable it is that the value there is at the target or better, if the trend goes on."""
    ahead, error = sign * (fitted.at(month) - target), fitted.error_at(month)
    if error == 0:
        return 1.0 if ahead >= 0 else 0.0
    return NormalDist(sigma=error).cdf(ahead)
