"""Dates and durations as people write them."""

import math
import re
from collections.abc import Iterator
from datetime import date, datetime

MINUTES_MAX = 31 * 24 * 60  # an entry that tells more is mistaken
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_DOTTED = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?![\d.]*\d)")
_DAY_IN_MONTH, _MONTH = r"(\d{1,2})(?:st|nd|rd|th)?", r"([A-Z][a-z]+)"
_WORDY = re.compile(rf"\b{_DAY_IN_MONTH}\.? {_MONTH},? (\d{{4}})\b|\b{_MONTH} {_DAY_IN_MONTH},? (\d{{4}})\b")
_WEEKDAY = r"(?:Mon|Tue|Tues|Wed|Wednes|Thu|Thur|Thurs|Fri|Sat|Satur|Sun)(?:day)?\b[.,]?"
_ONLY_WEEKDAY = re.compile(rf"[\W_]*(?:{_WEEKDAY})?[\W_]*")
_TIME_LINE = re.compile(
    r"^[ \t]*(?:[-*][ \t]*)?(?:time|spent|duration|took)[ \t]*:[ \t]*(.+)$", re.IGNORECASE | re.MULTILINE
)
_HOURS, _MINUTES = r"(\d{1,9}(?:[.,]\d{1,9})?)\s*h(?:(?:ou)?rs?)?\b", r"(\d{1,9})\s*m(?:ins?|inutes?)?\b"
_SPENT = re.compile(rf"(?:{_HOURS})?\s*(?:{_MINUTES})?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?::[0-5]\d)?\b")


def day_of(text: str) -> str | None:
    """The first date in a text: 2026-10-05, 5 October 2026, October 5, 2026 or 5.10.2026."""
    return next((day for _, day in _dates(text)), None)


def begins_with_day(text: str) -> bool:
    """Whether nothing but a weekday stands before the date."""
    start = next((start for start, _ in _dates(text)), None)
    return start is not None and _ONLY_WEEKDAY.fullmatch(text[:start]) is not None


def without_date(heading: str) -> str:
    rest = _WORDY.sub("", _DOTTED.sub("", _ISO.sub("", heading)))
    return " ".join(re.sub(rf"\b{_WEEKDAY}", "", rest).split()).strip(" :,–—-()[]")


def minutes_of(text: str) -> int | None:
    """What a line `Time: 1h 30m` says."""
    if not (line := _TIME_LINE.search(text)):
        return None
    told = line[1].strip()
    if clock := _CLOCK.match(told):
        return minutes(clock[1], clock[2])
    spent = _SPENT.match(told)
    return minutes(spent[1], spent[2]) if spent and (spent[1] or spent[2]) else None


def minutes(hours: str | None, more: str | None) -> int | None:
    """Of numbers with a decimal point or comma; None if that is no time that somebody worked."""
    try:
        total = sum(float((part or "0").replace(",", ".")) * unit for part, unit in ((hours, 60), (more, 1)))
    except ValueError:
        return None
    return round(total) if math.isfinite(total) and 0 <= total <= MINUTES_MAX else None


def _dates(text: str) -> Iterator[tuple[int, str]]:
    """ISO dates first, then those with dots, then those with a month's name; each with where it stands."""
    for match in _ISO.finditer(text):
        if day := _valid(int(match[1]), int(match[2]), int(match[3])):
            yield match.start(), day
    for match in _DOTTED.finditer(text):
        if day := _valid(int(match[3]), int(match[2]), int(match[1])):
            yield match.start(), day
    for match in _WORDY.finditer(text):
        day, month, year = (match[1], match[2], match[3]) if match[1] else (match[5], match[4], match[6])
        for shape in ("%d %B %Y", "%d %b %Y"):
            try:
                yield match.start(), datetime.strptime(f"{day} {month} {year}", shape).date().isoformat()
            except ValueError:
                continue


def _valid(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None
