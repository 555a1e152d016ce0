"""An entry of a work log, and how it is named in the store."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

TITLE_CHARS_MAX = 200
_SLUG_CHARS_MAX = 60


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


def key_of(entry: Entry, taken: set[str]) -> str:
    """`ada/2026-10-05/fix-the-parser`; the second of that name on a day ends with `-2`. Takes it."""
    slug = re.sub(r"[^a-z0-9]+", "-", entry.title.lower()).strip("-")[:_SLUG_CHARS_MAX] or "entry"
    key, number = f"{entry.user}/{entry.day}/{slug}", 1
    while key in taken:
        number += 1
        key = f"{entry.user}/{entry.day}/{slug}-{number}"
    taken.add(key)
    return key


def taken_by_others(before: Mapping[str, Mapping[str, Any]], entries: Iterable[Entry]) -> set[str]:
    """Keys of stored entries that come from files which are not read now, unless the same is read again."""
    files, digests = set(), set()
    for entry in entries:
        files.add(_file_of(entry.source))
        digests.add(entry.digest)
    return {
        key
        for key, row in before.items()
        if _file_of(row["source"]) not in files and row["digest"] not in digests
    }


def _file_of(source: str) -> str:
    return source.rpartition(":")[0]
