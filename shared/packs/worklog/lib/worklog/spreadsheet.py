"""Reads entries from CSV: a row an entry, its columns by their names."""

import csv
import io
import re
from collections.abc import Iterator

from worklog.dates import day_of, minutes
from worklog.entry import Entry, Skipped, checked

_DAY_COLUMNS = ("date", "day", "datum")
_TEXT_COLUMNS = ("text", "description", "entry", "notes", "note", "content", "body")
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\n", re.IGNORECASE)  # as Excel writes it
_FIELD_CHARS_MAX = 1_000_000  # one that is longer than an entry may be is told, and does not end the reading


def read_csv(text: str, name: str, user: str) -> Iterator[Entry | Skipped]:
    """Columns date and text, and perhaps title, user, minutes or hours, tags; between them `,`, `;`, `|` or tabs."""
    line, former = 0, csv.field_size_limit(_FIELD_CHARS_MAX)
    try:
        rows = _rows(text)
        line, header = next(rows, (1, []))
        columns = [column.strip().lower() for column in header]
        day_column, text_column = _first(_DAY_COLUMNS, columns), _first(_TEXT_COLUMNS, columns)
        if not day_column or not text_column:
            yield Skipped(f"{name}:{line}", _wanted(columns))
            return
        for number, row in rows:
            cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
            yield _entry(cells, day_column, text_column, user, f"{name}:{number}")
            line = number
    except csv.Error as error:
        yield Skipped(f"{name}:{line + 1}", f"no CSV from here on: {error}")
    finally:
        csv.field_size_limit(former)  # it is the whole process's


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each with the number of its first line."""
    line, delimiter = 1, ""
    if given := _SEPARATOR_LINE.match(text):
        line, delimiter, text = 2, given[1], text[given.end() :]
    reader = csv.reader(
        io.StringIO(text), delimiter=delimiter or _delimiter_of(text), skipinitialspace=True, strict=True
    )
    start = line
    for row in reader:
        if any(cell.strip() for cell in row):
            yield start, row
        start = line + reader.line_num


def _delimiter_of(text: str) -> str:
    """The one that stands most often in the first line that has anything."""
    header = next((line for line in text.split("\n", 100) if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _first(wanted: tuple[str, ...], columns: list[str]) -> str:
    return next((name for name in wanted if name in columns), "")


def _wanted(columns: list[str]) -> str:
    found = ", ".join(columns)[:300] or "none"
    return f"expected columns {'/'.join(_DAY_COLUMNS)} and {'/'.join(_TEXT_COLUMNS)}, found {found}"


def _entry(
    cells: dict[str, str], day_column: str, text_column: str, user: str, place: str
) -> Entry | Skipped:
    day, title = day_of(cells.get(day_column, "")), cells.get("title", "")
    if day is None:
        found = cells.get(day_column, "")[:40]
        return Skipped(place, f"no date: expected one in column {day_column}, as 2026-10-05, found '{found}'")
    text = cells.get(text_column) or title
    if not text:
        return Skipped(place, f"nothing in column {text_column}", is_empty=True)
    tags = tuple(tag.lower() for tag in re.split(r"[\s,;]+", cells.get("tags", "")) if tag)
    told = minutes(cells.get("hours"), None) if cells.get("hours") else None
    told = minutes(None, cells["minutes"]) if cells.get("minutes") else told
    return checked(Entry(cells.get("user") or user, day, title, text, told, tags, place))
