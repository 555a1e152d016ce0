"""Reads what people supply: a folder with accounts, their history and the metrics, and files of measurements.

All that is wrong is told at once, each with its file and line.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any

from penstock.agents import Invalid
from value_lifecycle.dates import day_of
from value_lifecycle.records import Account, Json, Kpi

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
ROWS_MAX = 200_000  # of one file: what a sandbox of 512 MiB reads with ease
PROBLEMS_TOLD_MAX = 20


@dataclass(frozen=True)
class Reading:
    """A metric of an account on a day."""

    account: str
    metric: str
    date: date
    value: float
    source: str


@dataclass(frozen=True)
class Data:
    """What is known of a program's accounts."""

    accounts: dict[str, Account]
    kpis: dict[str, Kpi]
    readings: list[Reading]


@dataclass
class Problems:
    """Collected, to be told together."""

    found: list[str] = field(default_factory=list)

    def add(self, place: str, message: str) -> None:
        self.found.append(f"{place}: {message}")

    def stop_if_any(self) -> None:
        if self.found:
            more = len(self.found) - PROBLEMS_TOLD_MAX
            tail = [f"and {more} more"] if more > 0 else []
            raise Invalid("; ".join([*self.found[:PROBLEMS_TOLD_MAX], *tail]))


def read_data(folder: Path, *, program: str) -> Data:
    """`accounts.csv`, `history.csv` and `metrics.json` of a folder; raises Invalid with all that is wrong."""
    problems = Problems()
    if not NAME.fullmatch(program):
        problems.add("program", f"'{program}' is no name: expected small letters, digits and hyphens")
    accounts = {one.account: one for one in _accounts(folder / "accounts.csv", program, problems)}
    kpis = {one.metric: one for one in _kpis(folder / "metrics.json", program, problems)}
    readings = list(read_readings(folder / "history.csv", problems=problems))
    for reading in readings:
        for kind, name, known in (("account", reading.account, accounts), ("metric", reading.metric, kpis)):
            if name not in known:
                problems.add(reading.source, f"no {kind} '{name}'; there are {', '.join(sorted(known)[:8])}")
    problems.stop_if_any()
    return Data(accounts, kpis, readings)


def read_readings(file: Path, *, problems: Problems) -> Iterator[Reading]:
    """Rows with `account`, `metric`, `date` and `value`."""
    for place, row in _table(file, ("account", "metric", "date", "value"), problems):
        day, value = _day(row["date"], place, problems), _number(row["value"], f"{place}, value", problems)
        if day is not None and value is not None:
            yield Reading(row["account"], row["metric"], day, value, place)


def _accounts(file: Path, program: str, problems: Problems) -> Iterator[Account]:
    seen: set[str] = set()
    for place, row in _table(file, ("account", "title", "segment", "revenue", "owner"), problems):
        revenue = _number(row["revenue"], f"{place}, revenue", problems)
        if not NAME.fullmatch(row["account"]):
            problems.add(place, f"account '{row['account']}': expected small letters, digits and hyphens")
        elif row["account"] in seen:
            problems.add(place, f"account '{row['account']}' is there twice")
        elif revenue is not None and revenue < 0:
            problems.add(place, f"revenue {revenue:g} is below 0")
        elif revenue is not None:
            yield Account(
                program=program,
                account=row["account"],
                title=row["title"],
                segment=row["segment"],
                revenue=revenue,
                owner=row["owner"],
            )
        seen.add(row["account"])


def _kpis(file: Path, program: str, problems: Problems) -> Iterator[Kpi]:
    """Types and values of the fields are checked here: what is wrong is told by its place in the file."""
    seen: set[str] = set()
    for number, given in enumerate(_document(file, problems)):
        place = f"{file.name}: metrics[{number}]"
        missing = [name for name in KPI_FIELDS if name not in given]
        unknown = [name for name in given if name not in KPI_FIELDS]
        wrong = [name for name, test in KPI_FIELDS.items() if name in given and not test(given[name])]
        for names, message in ((missing, "missing"), (unknown, "unknown field"), (wrong, "wrong value")):
            for name in names:
                shown = f" {given[name]!r}: expected {KPI_EXPECTED[name]}" if names is wrong else ""
                problems.add(f"{place}.{name}", message + shown)
        if missing or unknown or wrong:
            continue
        if given["name"] in seen:
            problems.add(place, f"metric '{given['name']}' is there twice")
        elif given["minimum"] >= given["maximum"]:
            problems.add(place, f"minimum {given['minimum']:g} is not below maximum {given['maximum']:g}")
        else:
            levers = tuple(given["levers"])
            yield Kpi(
                program=program, metric=given["name"], levers=levers, **_without(given, "name", "levers")
            )
        seen.add(given["name"])


def _document(file: Path, problems: Problems) -> list[Json]:
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problems.add(file.name, f"can't be read as JSON: {error}")
        return []
    found = document.get("metrics") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        problems.add(file.name, 'expected an object with a list of objects: {"metrics": [{"name": …}]}')
        return []
    return found


def _table(file: Path, columns: tuple[str, ...], problems: Problems) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row with its place, `history.csv:7`; other columns are left out."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problems.add(file.name, f"can't be read: {error}")
        return
    rows = csv.DictReader(StringIO(text, newline=""))
    try:
        yield from _rows(rows, file.name, columns, problems)
    except csv.Error as error:
        problems.add(f"{file.name}:{rows.line_num + 1}", f"can't be read as CSV: {error}")


def _rows(
    rows: "csv.DictReader[str]", name: str, columns: tuple[str, ...], problems: Problems
) -> Iterator[tuple[str, dict[str, str]]]:
    missing = [column for column in columns if column not in (rows.fieldnames or [])]
    if missing:
        problems.add(name, f"has no column {', '.join(missing)}; expected {', '.join(columns)}")
        return
    for count, row in enumerate(rows):
        if count >= ROWS_MAX:
            problems.add(name, f"has more than {ROWS_MAX} rows")
            return
        yield f"{name}:{rows.line_num}", {column: (row[column] or "").strip() for column in columns}


def _day(text: str, place: str, problems: Problems) -> date | None:
    try:
        return day_of(text, "date")
    except Invalid as error:
        problems.add(place, str(error))
        return None


def _number(text: str, place: str, problems: Problems) -> float | None:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        problems.add(place, f"'{text}' is no number")
        return None
    return number


def _without(given: Json, *names: str) -> Json:
    return {name: value for name, value in given.items() if name not in names}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value >= 0


KPI_FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str) and NAME.fullmatch(value) is not None,
    "title": _is_text,
    "unit": _is_text,
    "better": lambda value: value in ("lower", "higher"),
    "minimum": _is_number,
    "maximum": _is_number,
    "revenue_share_per_unit": _is_positive,
    "cost_once": _is_positive,
    "cost_per_year": _is_positive,
    "months_to_effect": lambda value: isinstance(value, int) and 0 <= value <= 60,
    "levers": lambda value: isinstance(value, list) and value != [] and all(map(_is_text, value)),
}
KPI_EXPECTED = {
    **dict.fromkeys(KPI_FIELDS, "a number"),
    "name": "small letters, digits and hyphens",
    "title": "text",
    "unit": "text",
    "better": "'lower' or 'higher'",
    "months_to_effect": "a whole number from 0 to 60",
    "levers": "a list of texts, at least one",
}
