"""An entry of a work log."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

TITLE_CHARS_MAX = 200
TEXT_BYTES_MAX = 40_000  # as JSON: entry and analysis, which quotes it, each fit into a row of 64 KiB
TAGS_MAX, TAG_CHARS_MAX = 30, 40
_USER = re.compile(r"[^/\x00-\x1f\x7f]{1,64}")  # it begins the keys of rows


@dataclass(frozen=True)
class Entry:
    """What somebody wrote about a day's work. `day` is ISO 8601; `minutes` is None if the entry does not tell."""

    user: str
    day: str
    title: str
    text: str
    minutes: int | None = None
    tags: tuple[str, ...] = ()
    source: str = ""  # file and line

    @property
    def digest(self) -> str:
        """Changes when the entry says something else; where it stands does not matter."""
        parts = (self.user, self.day, self.title, self.text, str(self.minutes), *self.tags)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "tags": list(self.tags), "digest": self.digest}


@dataclass(frozen=True)
class Skipped:
    """A place that could not be read, and why. `is_empty`: there is nothing to read."""

    place: str
    reason: str
    is_empty: bool = False


def checked(entry: Entry) -> Entry | Skipped:
    """As it can be kept."""
    if not _USER.fullmatch(entry.user):
        told = entry.user[:40]
        return Skipped(entry.source, f"user: expected 1 to 64 characters without a slash, not '{told}'")
    size = len(json.dumps(entry.text))
    if size > TEXT_BYTES_MAX:
        return Skipped(entry.source, f"longer than {TEXT_BYTES_MAX} bytes: {size} as JSON")
    tags = tuple(dict.fromkeys(tag[:TAG_CHARS_MAX] for tag in entry.tags))[:TAGS_MAX]
    title = (entry.title or _first_words(entry.text))[:TITLE_CHARS_MAX]
    return replace(entry, title=title, tags=tags)


def file_of(place: str) -> str:
    """Without the number of the line."""
    return re.sub(r":\d+$", "", place)


def line_of(place: str) -> int:
    number = place.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def _first_words(text: str) -> str:
    first = re.sub(r"^[\s>*+#-]*(?:\[[ xX]\])?\s*", "", text.split("\n", 1)[0])
    return first if len(first) <= 80 else first[:80].rsplit(" ", 1)[0] + " …"
