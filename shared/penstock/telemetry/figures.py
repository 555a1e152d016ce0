"""A gauge with labels, shown whole: what is not among the figures any more vanishes."""

from collections.abc import Mapping

from prometheus_client import Gauge

Figures = dict[tuple[str, ...], float]
"""The values of a gauge's labels → its value."""


def add(figures: Figures, labels: tuple[str, ...], value: float) -> None:
    """Sum up: several names may share one label, beyond its bound."""
    figures[labels] = figures.get(labels, 0.0) + value


def show(gauge: Gauge, figures: Mapping[tuple[str, ...], float]) -> None:
    """These and no others. No scrape in the same event loop sees it half done."""
    gauge.clear()
    for labels, value in figures.items():
        gauge.labels(*labels).set(value)
