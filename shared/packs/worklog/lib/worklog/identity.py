"""Which stored entry a read one is: so that a log that is read again changes what was edited, and nothing else."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from worklog.entry import Entry, file_of, line_of

Rows = Mapping[str, Mapping[str, Any]]
PAIRS_MAX = 10_000  # of a day; beyond that only titles are compared
_ALIKE_FROM = 0.6  # the share of the shorter text's words that the longer one has, too
_SLUG_CHARS_MAX = 60


def keyed(
    entries: Sequence[Entry], before: Rows, *, complete: bool = False, unread: Collection[str] = ()
) -> dict[str, Entry]:
    """Each entry by its key. What is stored word for word keeps its key; what was edited takes that of its former
    self, which stood in the same file on the same day; all else gets a key that nobody has. `complete`: an entry of
    another file may be its former self, too, but for the `unread` ones.
    """
    found: dict[str, Entry] = {}
    rest = _unchanged(entries, before, found)
    open_ = {key: row for key, row in before.items() if key not in found}
    elsewhere = {key for key, row in open_.items() if complete and file_of(row["source"]) not in unread}
    rest = _edited(rest, open_, found, elsewhere)
    taken = {*found, *before}
    for entry in rest:
        found[_new_key(entry, taken)] = entry
    return found


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Files are read in any order; names of entries must not depend on it."""
    return sorted(entries, key=lambda each: (each.day, file_of(each.source), line_of(each.source), each.text))


def _unchanged(entries: Sequence[Entry], before: Rows, found: dict[str, Entry]) -> list[Entry]:
    keys = defaultdict[str, list[str]](list)
    for key in sorted(before, reverse=True):
        keys[before[key]["digest"]].append(key)
    rest = []
    for entry in in_order(entries):
        if same := keys.get(entry.digest):
            found[same.pop()] = entry
        else:
            rest.append(entry)
    return rest


def _edited(
    entries: Sequence[Entry], open_: Rows, found: dict[str, Entry], elsewhere: Collection[str]
) -> list[Entry]:
    """The best pairs of each day first. `elsewhere`: keys of rows that need not stand in the same file."""
    by_day = defaultdict[str, list[str]](list)
    for key in sorted(open_):
        by_day[open_[key]["day"]].append(key)
    counts = defaultdict[str, int](int)
    for entry in entries:
        counts[entry.day] += 1
    pairs: list[tuple[float, int, str]] = []
    for place, entry in enumerate(entries):
        keys = by_day[entry.day]
        is_much = counts[entry.day] * len(keys) > PAIRS_MAX
        pairs += (
            (-score, place, key)
            for key in keys
            if (score := _likeness(entry, open_[key], anywhere=key in elsewhere, titles_only=is_much))
        )
    taken: set[int] = set()
    for _, place, key in sorted(pairs):
        if place not in taken and key not in found:
            found[key] = entries[place]
            taken.add(place)
    return [entry for place, entry in enumerate(entries) if place not in taken]


def _likeness(entry: Entry, row: Mapping[str, Any], *, anywhere: bool, titles_only: bool) -> float:
    """0: not the same entry. The same title in the same file is, whatever its text says now."""
    mine, other = file_of(entry.source), file_of(row["source"])
    is_same_title = _slug(entry.title) == _slug(row["title"])
    if is_same_title and (anywhere or mine == other):
        return 2 + (0.0 if titles_only else _overlap(entry.text, row["text"]))
    is_same_file = anywhere or mine == other or mine.endswith(f"/{other}") or other.endswith(f"/{mine}")
    if titles_only or not is_same_file:
        return 0
    overlap = _overlap(entry.text, row["text"])
    return overlap + is_same_title if overlap >= _ALIKE_FROM else 0


def _overlap(one: str, other: str) -> float:
    first, second = (set(re.findall(r"\w+", text.lower())) for text in (one, other))
    return len(first & second) / (min(len(first), len(second)) or 1)


def _new_key(entry: Entry, taken: set[str]) -> str:
    """`ada/2026-10-05/fix-the-parser`; the second of that name on a day ends with `-2`. Takes it."""
    name = f"{entry.user}/{entry.day}/{_slug(entry.title)}"
    key, number = name, 1
    while key in taken:
        number += 1
        key = f"{name}-{number}"
    taken.add(key)
    return key


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:_SLUG_CHARS_MAX] or "entry"
