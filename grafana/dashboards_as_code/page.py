"""What a dashboard is made of: a page has rows, a row answers a question with panels, a panel asks queries."""

from dataclasses import dataclass
from enum import StrEnum

from dashboards_as_code.promql import moving_quantile

WIDTH = 24  # of a page, in Grafana's columns


class Kind(StrEnum):
    NUMBER = "number"  # the last value, with its line behind it
    LINES = "lines"
    AREAS = "areas"  # lines on top of each other: parts of a whole
    TABLE = "table"  # a row for each set of labels, a column for each query
    STATES = "states"  # a bar for each series, in the colour of its value


@dataclass(frozen=True, kw_only=True)
class Query:
    """`legend` names the line, or the column of a table; `unit` is that of a column."""

    expr: str
    legend: str = ""
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    title: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """From `value` on a number has this colour; below the first one it is green."""

    value: float
    colour: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`tells` says what is seen, and what is well. `texts` are words for values of a STATES panel."""

    title: str
    tells: str
    kind: Kind
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8
    links: tuple[Link, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    texts: tuple[str, ...] = ()
    exemplars: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice of label values; `query` is Prometheus's `label_values(…)`."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, kw_only=True)
class Page:
    uid: str
    title: str
    tells: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


def number(
    title: str, tells: str, expr: str, *, unit: str = "short", thresholds: tuple[Threshold, ...] = ()
) -> Panel:
    return Panel(
        title=title,
        tells=tells,
        kind=Kind.NUMBER,
        queries=(Query(expr=expr),),
        unit=unit,
        width=4,
        thresholds=thresholds,
    )


def lines(
    title: str,
    tells: str,
    queries: dict[str, str],
    *,
    unit: str = "short",
    width: int = 8,
    links: tuple[Link, ...] = (),
    areas: bool = False,
) -> Panel:
    """`queries`: legend → expression."""
    return Panel(
        title=title,
        tells=tells,
        kind=Kind.AREAS if areas else Kind.LINES,
        queries=tuple(Query(expr=expr, legend=legend) for legend, expr in queries.items()),
        unit=unit,
        width=width,
        links=links,
    )


def table(
    title: str, tells: str, columns: tuple[Query, ...], *, links: tuple[Link, ...] = (), width: int = WIDTH
) -> Panel:
    return Panel(title=title, tells=tells, kind=Kind.TABLE, queries=columns, links=links, width=width)


def quantiles(
    title: str,
    tells: str,
    metric: str,
    *,
    labels: str = "",
    by: str = "",
    width: int = 8,
    links: tuple[Link, ...] = (),
) -> Panel:
    """p50, p95 and p99 of a histogram in seconds with its exemplars; with `by`, p95 for each of that label."""
    asked = {f"{{{{{by}}}}} p95": 0.95} if by else {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return Panel(
        title=title,
        tells=tells,
        kind=Kind.LINES,
        queries=tuple(
            Query(expr=moving_quantile(at, metric, by=by, where=labels), legend=legend)
            for legend, at in asked.items()
        ),
        unit="s",
        width=width,
        links=links,
        exemplars=True,
    )


def red_from(value: float) -> tuple[Threshold, ...]:
    return (Threshold(value=value, colour="red"),)


def red_below(value: float) -> tuple[Threshold, ...]:
    return (Threshold(value=-1e9, colour="red"), Threshold(value=value, colour="green"))
