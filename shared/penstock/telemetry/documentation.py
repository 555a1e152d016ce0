"""Writes docs/telemetry.md from the declarations: `python -m penstock.telemetry.documentation`."""

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase

from penstock.contracts.value import Value
from penstock.telemetry import metrics
from penstock.telemetry.exporters import NOTIFIER, ORCHESTRATOR, RUNNER, SERVICES, exporters_of
from penstock.telemetry.labels import VALUES_MAX

_WHO = {ORCHESTRATOR: "the orchestrator", RUNNER: "the agent runner", NOTIFIER: "the notifier"}
_UNITS = {"seconds": "seconds", "bytes": "bytes", "dollars": "US dollars"}
_WHAT = {Counter: "counter", Gauge: "gauge", Histogram: "histogram", Info: "info"}

_HEAD = f"""# Metrics

Every service answers `GET /metrics` in the text format, and in OpenMetrics with exemplars to whoever accepts that.
All metrics are declared in `shared/penstock/telemetry/metrics.py`; this page is made from it by `make docs`.

- Names that people make up (projects, workflows, agents, pools, models, breakers) are bounded: the first {VALUES_MAX}
  have series of their own, 1,000 where an agent or a model comes on top, and all later ones share the label `other`.
  No label holds the id of a run.
- Counters and histograms count what this process has committed or done: add them up over the instances of a service.
  Several orchestrators show the same world in their gauges of runs, pools, breakers and the bus: take the maximum.
- Durations that began before this process could see it are left out; counters are complete.
- The histograms of runs, nodes, queue waits and HTTP carry the trace as an exemplar where it is sampled.
- What models took, as the runner measured it or an agent told, is counted at the end of the attempt. A call of which
  nobody knows the price is counted as unknown and never as 0.
"""


class Documented(Value, frozen=True):
    """A metric as the page shows it. `constant` is its name in metrics.py."""

    constant: str
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    unit: str
    buckets: tuple[float, ...]

    @property
    def exporters(self) -> tuple[str, ...]:
        return exporters_of(self.constant)


def declared() -> Iterator[Documented]:
    """All metrics, in the order of their declaration."""
    for constant, metric in vars(metrics).items():
        if isinstance(metric, MetricWrapperBase):
            yield _documented(constant, metric)


def page() -> str:
    groups: dict[tuple[str, ...], list[str]] = {}
    for metric in declared():
        groups.setdefault(metric.exporters, []).append(_row(metric))
    parts = [_HEAD]
    for services, rows in groups.items():
        parts += [f"\n## {_heading(services)}\n| metric | type | labels | what |\n|---|---|---|---|\n", *rows]
    return "".join(parts)


def _heading(services: tuple[str, ...]) -> str:
    if services == SERVICES:
        return "Every service"
    names = " and ".join(_WHO[service] for service in services)
    return names[0].upper() + names[1:]


def _documented(constant: str, metric: MetricWrapperBase) -> Documented:
    # The library tells labels and buckets to itself only.
    (family,) = metric.describe()
    suffix = {Counter: "_total", Info: "_info"}.get(type(metric), "")
    name = family.name + suffix
    words = name.removesuffix("_total").split("_")
    buckets = metric._kwargs.get("buckets", ()) if isinstance(metric, Histogram) else ()
    return Documented(
        constant=constant,
        name=name,
        kind=_WHAT[type(metric)],
        labels=tuple(metric._labelnames),
        meaning=family.documentation,
        unit=next((_UNITS[word] for word in words if word in _UNITS), ""),
        buckets=tuple(float(bound) for bound in buckets),
    )


def _row(metric: Documented) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    kind = f"{metric.kind}, {metric.unit}" if metric.unit else metric.kind
    buckets = f"; buckets {' '.join(f'{bound:g}' for bound in metric.buckets)}" if metric.buckets else ""
    return f"| `{metric.name}` | {kind} | {labels} | {metric.meaning}{buckets} |\n"


if __name__ == "__main__":
    print(page(), end="")
