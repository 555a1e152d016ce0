"""Whether the records of a program fit together: references, ranges, arithmetic, doubles and gaps."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TypeVar

from value_lifecycle.audit import Rows
from value_lifecycle.commitments import terms_digest
from value_lifecycle.records import (
    Account,
    Commitment,
    Kpi,
    Measurement,
    Opportunity,
    Performance,
    Plan,
    Record,
    Target,
    record,
)

Kind = TypeVar("Kind", bound=Record)

GRACE_DAYS = 15  # a measurement may come this much before or after its day
STUCK_TIMES = 4  # so many equal values in a row are rather a stuck source than a steady process
CENT = 0.01
REFERENCES = (
    ("opportunities", "accounts", ("account",)),
    ("opportunities", "kpis", ("metric",)),
    ("targets", "opportunities", ("account", "metric")),
    ("commitments", "targets", ("account", "metric")),
    ("plans", "commitments", ("account", "metric")),
    ("measurements", "commitments", ("account", "metric")),
    ("performance", "commitments", ("account", "metric")),
    ("interventions", "performance", ("account", "metric")),
    ("candidates", "opportunities", ("account", "metric")),
    ("scenarios", "candidates", ("account", "metric")),
    ("cases", "candidates", ("account", "metric")),
    ("roadmap", "cases", ("account", "metric")),
)


@dataclass(frozen=True, order=True)
class Problem:
    """`severity` error: nothing can be certified. Warning: somebody should look."""

    severity: str
    check: str
    table: str
    record: str
    message: str


def checked(rows: Rows, *, as_of: date) -> list[Problem]:
    """All that is wrong, errors first."""
    checks = (_references, _ranges, _arithmetic, _doubles)
    return sorted([*(each for check in checks for each in check(rows)), *_gaps(rows, as_of=as_of)])


def records_of(rows: Rows, kind: type[Kind]) -> list[Kind]:
    return [record(kind, row) for row in rows.get(kind.TABLE, {}).values()]


def _references(rows: Rows) -> Iterator[Problem]:
    for table, other, parts in REFERENCES:
        for key, row in rows.get(table, {}).items():
            wanted = ":".join([row["program"], *(row[part] for part in parts)])
            if wanted not in rows.get(other, {}):
                yield Problem("error", "reference", table, key, f"there is no '{wanted}' in {other}")
    for table, stored in rows.items():
        for key, row in stored.items():
            if not key.startswith(f"{row['program']}:"):
                yield Problem(
                    "error", "reference", table, key, f"belongs to another program, '{row['program']}'"
                )


def _ranges(rows: Rows) -> Iterator[Problem]:
    kpis = {one.metric: one for one in records_of(rows, Kpi)}
    for one in records_of(rows, Measurement):
        yield from _outside(kpis, one, "value", one.value)
    for target in records_of(rows, Target):
        yield from _outside(kpis, target, "target", target.target)
    for commitment in records_of(rows, Commitment):
        if commitment.due <= commitment.start:
            message = f"is due on {commitment.due}, not after its start {commitment.start}"
            yield Problem("error", "range", "commitments", commitment.key, message)
        kpi = kpis.get(commitment.metric)
        if kpi and kpi.sign * (commitment.target - commitment.baseline) <= 0:
            yield Problem("error", "range", "commitments", commitment.key, "the target is no improvement")
    for found in records_of(rows, Opportunity):
        if not 0 <= found.confidence <= 1:
            message = f"confidence {found.confidence:g} is outside 0 to 1"
            yield Problem("error", "range", "opportunities", found.key, message)


def _outside(kpis: dict[str, Kpi], one: Measurement | Target, name: str, value: float) -> Iterator[Problem]:
    kpi = kpis.get(one.metric)
    if kpi and not kpi.minimum <= value <= kpi.maximum:
        message = f"{name} {value:g} is outside {kpi.minimum:g} to {kpi.maximum:g} {kpi.unit}"
        yield Problem("error", "range", one.TABLE, one.key, message)


def _arithmetic(rows: Rows) -> Iterator[Problem]:
    accounts = {one.account: one for one in records_of(rows, Account)}
    kpis = {one.metric: one for one in records_of(rows, Kpi)}
    for one in records_of(rows, Commitment):
        if terms_digest(one) != one.digest:
            yield Problem(
                "error", "arithmetic", "commitments", one.key, "the terms do not match their digest"
            )
    for found in records_of(rows, Opportunity):
        account, kpi = accounts.get(found.account), kpis.get(found.metric)
        # The gap is kept with four digits, so that much of the value is rounding.
        if account and kpi:
            unit = kpi.revenue_share_per_unit * account.revenue
            if abs(found.gap * unit - found.value) > CENT + unit * 0.0001:
                message = f"value {found.value:,.2f} does not follow from the gap: {found.gap * unit:,.2f}"
                yield Problem("error", "arithmetic", "opportunities", found.key, message)
    commitments = {one.key: one for one in records_of(rows, Commitment)}
    for done in records_of(rows, Performance):
        committed = commitments.get(done.key)
        if committed and abs(committed.value - done.value) > CENT:
            message = f"speaks of a value of {done.value:,.2f}, committed are {committed.value:,.2f}"
            yield Problem("error", "arithmetic", "performance", done.key, message)


def _doubles(rows: Rows) -> Iterator[Problem]:
    titles = Counter(one.title.casefold().strip() for one in records_of(rows, Account))
    for account in records_of(rows, Account):
        if titles[account.title.casefold().strip()] > 1:
            message = f"another account is called '{account.title}', too"
            yield Problem("warning", "double", "accounts", account.key, message)
    for place, taken in _by_place(records_of(rows, Measurement)):
        longest = max(len(list(same)) for _, same in groupby(one.value for one in taken))
        if longest >= STUCK_TIMES:
            message = f"{longest} equal values in a row: is the source stuck?"
            yield Problem(
                "warning", "double", "measurements", f"{taken[0].program}:{':'.join(place)}", message
            )


def _gaps(rows: Rows, *, as_of: date) -> Iterator[Problem]:
    measured = {
        place: [date.fromisoformat(one.date) for one in taken]
        for place, taken in _by_place(records_of(rows, Measurement))
    }
    for plan in records_of(rows, Plan):
        days = [date.fromisoformat(day) for day in plan.dates]
        missing = [
            day.isoformat() for day in days
            if (as_of - day).days > GRACE_DAYS
            and not any(abs((taken - day).days) <= GRACE_DAYS for taken in measured.get(plan.place, []))
        ]  # fmt: skip
        if missing:
            message = f"not measured on {', '.join(missing[:6])}{' …' if len(missing) > 6 else ''}"
            yield Problem("warning", "gap", "plans", plan.key, message)
    planned = {plan.key for plan in records_of(rows, Plan)}
    for one in records_of(rows, Commitment):
        if one.key not in planned:
            yield Problem("error", "gap", "commitments", one.key, "no plan says when it is measured")


def _by_place(taken: Sequence[Measurement]) -> Iterator[tuple[tuple[str, str], list[Measurement]]]:
    ordered = sorted(taken, key=lambda one: (one.place, one.date))
    for place, group in groupby(ordered, key=lambda one: one.place):
        yield place, list(group)
