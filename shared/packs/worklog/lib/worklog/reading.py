"""Reads a work log: Markdown files with dated headings, and CSV files, in a folder or alone."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from worklog.entry import TITLE_CHARS_MAX, Entry

FILE_BYTES_MAX = 4 * 1024 * 1024
TEXT_CHARS_MAX = 20_000
SUFFIXES = (".md", ".markdown", ".csv")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DAY_IN_MONTH, _MONTH = r"(\d{1,2})(?:st|nd|rd|th)?", r"([A-Z][a-z]+)"
_WORDY = re.compile(rf"\b{_DAY_IN_MONTH}\.? {_MONTH},? (\d{{4}})\b|\b{_MONTH} {_DAY_IN_MONTH},? (\d{{4}})\b")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_SPENT = re.compile(r"(?:(\d+(?:[.,]\d+)?)\s*h\w*)?\s*(?:(\d+)\s*m\w*)?", re.IGNORECASE)
_TIME_LINE = re.compile(
    r"^\s*(?:[-*]\s*)?(?:time|spent|duration|took)\s*:\s*(.+)$", re.IGNORECASE | re.MULTILINE
)
_HASHTAG = re.compile(r"(?<![\w#])#([A-Za-z][\w-]{1,40})")
_DAY_COLUMNS = ("date", "day", "datum")
_TEXT_COLUMNS = ("text", "description", "entry", "notes", "note", "content", "body")


@dataclass(frozen=True)
class Skipped:
    """A place that could not be read, and why."""

    place: str
    reason: str


@dataclass
class Log:
    """What was found."""

    entries: list[Entry] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_log(source: Path, user: str) -> Log:
    """All entries below a folder, or of one file. `user`: whose they are where the file does not say."""
    log = Log()
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    top = source.parent if source.is_file() else source
    for file in files:
        name = str(file.relative_to(top))
        if file.suffix.lower() not in SUFFIXES:
            log.skipped.append(Skipped(name, f"expected a file that ends with {', '.join(SUFFIXES)}"))
        elif file.stat().st_size > FILE_BYTES_MAX:
            log.skipped.append(Skipped(name, f"larger than {FILE_BYTES_MAX} bytes"))
        else:
            text = file.read_text(encoding="utf-8-sig", errors="replace")
            read = _csv if file.suffix.lower() == ".csv" else _markdown
            for found in read(text, name, user):
                (log.entries if isinstance(found, Entry) else log.skipped).append(found)  # type: ignore[arg-type]
    return log


def day_of(text: str) -> str | None:
    """The first date in a text: 2026-10-05, 5 October 2026 or October 5, 2026."""
    for match in _ISO.finditer(text):
        if day := _valid(*map(int, match.groups())):
            return day
    for match in _WORDY.finditer(text):
        day, month, year = (match[1], match[2], match[3]) if match[1] else (match[5], match[4], match[6])
        for shape in ("%d %B %Y", "%d %b %Y"):
            try:
                return datetime.strptime(f"{day} {month} {year}", shape).date().isoformat()
            except ValueError:
                continue
    return None


def minutes_of(text: str) -> int | None:
    """What a line `Time: 1h 30m` says."""
    if not (line := _TIME_LINE.search(text)) or not (match := _SPENT.match(line[1].strip())):
        return None
    hours, minutes = match.groups()
    return (
        round(float((hours or "0").replace(",", ".")) * 60) + int(minutes or 0) if hours or minutes else None
    )


def _valid(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _markdown(text: str, name: str, user: str) -> Iterator[Entry | Skipped]:
    """A dated heading begins a day; headings below it begin entries. Without any, the file is one entry."""
    about, body, first_line = _front_matter(text)
    day = day_of(str(about.get("date", ""))) or day_of(Path(name).stem)
    base = Entry(str(about.get("user", user)), day or "", "", "", tags=_tags_of(about))
    title, lines, started, in_code = str(about.get("title", "")), [], first_line, False
    for number, line in enumerate([*body.splitlines(), None], start=first_line):
        in_code ^= line is not None and line.lstrip().startswith("```")
        heading = None if line is None or in_code else _HEADING.match(line)
        if line is not None and heading is None:
            lines.append(line)
            continue
        yield from _entry(replace(base, day=day or ""), title, lines, f"{name}:{started}")
        lines, started = [], number
        if heading is not None:
            day = day_of(heading[2]) or day
            title = _without_date(heading[2])


def _entry(base: Entry, title: str, lines: list[str], place: str) -> Iterator[Entry | Skipped]:
    text = "\n".join(lines).strip()
    if not text:
        return
    if not base.day:
        yield Skipped(
            place, "no date: expected one in the heading, the front matter or the file's name, as 2026-10-05"
        )
        return
    if len(text) > TEXT_CHARS_MAX:
        yield Skipped(place, f"longer than {TEXT_CHARS_MAX} characters")
        return
    tags = tuple(dict.fromkeys((*base.tags, *(tag.lower() for tag in _HASHTAG.findall(text)))))
    title = title or _first_words(text)
    yield replace(
        base, title=title[:TITLE_CHARS_MAX], text=text, minutes=minutes_of(text), tags=tags, source=place
    )


def _csv(text: str, name: str, user: str) -> Iterator[Entry | Skipped]:
    """A row an entry; columns by name: date, text, and perhaps title, user, minutes or hours, tags."""
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = {column.strip().lower(): column for column in reader.fieldnames or ()}
    day_column = next((columns[c] for c in _DAY_COLUMNS if c in columns), None)
    text_column = next((columns[c] for c in _TEXT_COLUMNS if c in columns), None)
    if day_column is None or text_column is None:
        wanted = f"{'/'.join(_DAY_COLUMNS)} and {'/'.join(_TEXT_COLUMNS)}"
        yield Skipped(f"{name}:1", f"expected columns {wanted}, found {', '.join(columns) or 'none'}")
        return
    for row in reader:
        place = f"{name}:{reader.line_num}"
        cells = {low: (row.get(column) or "").strip() for low, column in columns.items()}
        body = cells[text_column.strip().lower()]
        day = day_of(cells[day_column.strip().lower()])
        tags = tuple(tag.lower() for tag in re.split(r"[\s,;]+", cells.get("tags", "")) if tag)
        base = Entry(cells.get("user") or user, day or "", "", "", tags=tags)
        for found in _entry(base, cells.get("title", ""), [body], place):
            yield replace(found, minutes=_minutes_of_row(cells)) if isinstance(found, Entry) else found


def _minutes_of_row(cells: dict[str, str]) -> int | None:
    try:
        if cells.get("minutes"):
            return round(float(cells["minutes"]))
        return round(float(cells["hours"].replace(",", ".")) * 60) if cells.get("hours") else None
    except ValueError:
        return None


def _front_matter(text: str) -> tuple[dict[str, Any], str, int]:
    """What stands between two lines `---` at the top, the rest, and the number of the rest's first line."""
    if not text.startswith("---\n") or "\n---\n" not in text[4:]:
        return {}, text, 1
    head, _, body = text[4:].partition("\n---\n")
    try:
        about = yaml.safe_load(head)
    except yaml.YAMLError:
        about = None
    return (about if isinstance(about, dict) else {}), body, head.count("\n") + 4


def _tags_of(about: dict[str, Any]) -> tuple[str, ...]:
    given = about.get("tags") or ()
    listed = re.split(r"[\s,;]+", given) if isinstance(given, str) else given
    return tuple(str(tag).lower() for tag in listed if tag)


def _without_date(heading: str) -> str:
    rest = _WORDY.sub("", _ISO.sub("", heading))
    rest = re.sub(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b,?", "", rest)
    return rest.strip(" \t:,–—-()")


def _first_words(text: str) -> str:
    line = re.sub(r"^[\s>*+#-]*(?:\[[ xX]\])?\s*", "", text.splitlines()[0])
    return line if len(line) <= 80 else line[:80].rsplit(" ", 1)[0] + " …"
