"""Reads a work log into the store. Done again with the same files, it changes nothing."""

from pathlib import Path
from typing import Any

from worklog.batches import batches_of
from worklog.books import replace_rows, table_of
from worklog.entry import Entry, key_of, taken_by_others
from worklog.reading import Skipped, read_log

from penstock.agents import Invalid, agent, context

SKIPPED_SHOWN_MAX = 50


@agent
def import_log(source: Path, user: str, complete: bool = False) -> dict[str, Any]:
    """`complete`: the files are the whole log, so entries that are no longer in them go."""
    found = read_log(source, user)
    if not found.entries:
        raise Invalid(f"source: no entries found; {_reasons(found.skipped)}")
    by_user: dict[str, dict[str, dict[str, Any]]] = {}
    counts = {"added": 0, "changed": 0, "removed": 0}
    for whose in sorted({entry.user for entry in found.entries}):
        entries = sorted((entry for entry in found.entries if entry.user == whose), key=_place)
        before = table_of("entries", whose)
        kept = {} if complete else before
        taken = set() if complete else taken_by_others(before, entries)
        rows = by_user[whose] = {key_of(entry, taken): entry.row() for entry in entries}
        for name, count in replace_rows("entries", before, {**kept, **rows}).items():
            counts[name] += count
        context.log(f"{whose}: {len(rows)} entries read")
    return {
        "users": sorted(by_user),
        "entries": len(found.entries),
        "batches": [
            {"user": whose, **batch} for whose, rows in sorted(by_user.items()) for batch in batches_of(rows)
        ],
        **counts,
        "skipped": [
            {"place": each.place, "reason": each.reason} for each in found.skipped[:SKIPPED_SHOWN_MAX]
        ],
    }


def _place(entry: Entry) -> tuple[str, str, str]:
    """Files are read in any order; names of entries must not depend on it."""
    return entry.day, entry.source, entry.text


def _reasons(skipped: list[Skipped]) -> str:
    told = "; ".join(f"{each.place}: {each.reason}" for each in skipped[:5])
    return told or "the folder has no files that end with .md, .markdown or .csv"


if __name__ == "__main__":
    import_log.main()
