"""Reads a work log: Markdown files with dated headings, and CSV files, in a folder or alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from worklog.dates import begins_with_day, day_of, minutes_of, without_date
from worklog.decoding import decoded
from worklog.entry import Entry, Skipped, checked
from worklog.front_matter import Unreadable, front_matter
from worklog.spreadsheet import read_csv

FILE_BYTES_MAX = 16 * 1024 * 1024  # the sandbox has 256 MiB for all that is made of it
SUFFIXES = (".md", ".markdown", ".csv")
_HASHES = re.compile(r"(#{1,6})(?:[ \t]|$)")
_FENCE = re.compile(r"[ \t]*(```+|~~~+)([^`]*)$")
_HASHTAG = re.compile(r"(?<![\w#])#([A-Za-z][\w-]{1,40})")


@dataclass
class Log:
    """What was found."""

    entries: list[Entry] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_log(source: Path, user: str) -> Log:
    """All entries below a folder, or of one file. `user`: whose they are where the file does not say."""
    log = Log()
    top = source.parent if source.is_file() else source
    for file in [source] if source.is_file() else _files_below(source):
        for found in _read(file, str(file.relative_to(top)), user):
            (log.entries if isinstance(found, Entry) else log.skipped).append(found)  # type: ignore[arg-type]
    log.skipped.sort(key=lambda each: each.is_empty)
    return log


def _files_below(folder: Path) -> list[Path]:
    """Without what is hidden, such as .git and .obsidian."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(p[0] == "." for p in path.relative_to(folder).parts))


def _read(file: Path, name: str, user: str) -> Iterator[Entry | Skipped]:
    if file.suffix.lower() not in SUFFIXES:
        yield Skipped(name, f"expected a file that ends with {', '.join(SUFFIXES)}")
    elif file.stat().st_size > FILE_BYTES_MAX:
        yield Skipped(name, f"larger than {FILE_BYTES_MAX} bytes")
    else:
        text = decoded(file.read_bytes())
        yield from (read_csv if file.suffix.lower() == ".csv" else _markdown)(text, name, user)


def _markdown(text: str, name: str, user: str) -> Iterator[Entry | Skipped]:
    """A dated heading begins a day; headings below it begin entries. Without any, the file is one entry."""
    try:
        about, body = front_matter(text)
    except Unreadable as error:
        yield Skipped(f"{name}:1", str(error))
        return
    day = day_of(about.date) or day_of(Path(name).stem)
    base = Entry(about.user or user, "", "", "", tags=about.tags)
    title, level, day_level, started, lines = about.title, 0, 0, about.first_line, list[str]()
    for number, line, heading in _lines(body, about.first_line):
        if heading is None and line is not None:
            lines.append(line)
            continue
        below = heading[0] if heading else 0
        yield from _entry(
            replace(base, day=day or "", title=title),
            lines,
            f"{name}:{started}",
            is_group=below > level,
        )
        lines, started = [], number
        if heading is not None:
            level = heading[0]
            title = heading[1]
            if (found := day_of(title)) and (level <= day_level or not day_level or begins_with_day(title)):
                day, day_level, title = found, level, without_date(title)


def _lines(body: str, first: int) -> Iterator[tuple[int, str | None, tuple[int, str] | None]]:
    """Each line with its number, and with level and text if it is a heading; None at the end."""
    fence = ""
    number = first
    for number, line in enumerate(body.split("\n"), start=first):
        mark = _FENCE.match(line)
        is_code = bool(fence)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark:
            fence, is_code = mark[1], True
        yield number, line, None if is_code else _heading(line)
    yield number, None, None


def _heading(line: str) -> tuple[int, str] | None:
    if not (hashes := _HASHES.match(line)):
        return None
    text = line[hashes.end() :].strip()
    open_ = text.rstrip("#")
    return len(hashes[1]), (open_.rstrip() if not open_ or open_[-1].isspace() else text)


def _entry(base: Entry, lines: list[str], place: str, *, is_group: bool) -> Iterator[Entry | Skipped]:
    """`is_group`: deeper headings follow, so that it need not have a text of its own."""
    text = "\n".join(lines).strip()
    if not text:
        if base.title and not is_group:
            yield Skipped(place, f"nothing below the heading '{base.title[:80]}'", is_empty=True)
        return
    if not base.day:
        yield Skipped(
            place, "no date: expected one in the heading, the front matter or the file's name, as 2026-10-05"
        )
        return
    tags = (*base.tags, *(tag.lower() for tag in _HASHTAG.findall(text)))
    yield checked(replace(base, text=text, minutes=minutes_of(text), tags=tags, source=place))
