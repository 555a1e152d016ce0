"""Reads a work log into the store. Done again with the same files, it changes nothing."""

from collections import Counter
from pathlib import Path
from typing import Any

from worklog.batches import batches_of
from worklog.entry import Skipped, file_of
from worklog.importing import take_in
from worklog.reading import read_log

from penstock.agents import Invalid, agent, context

SKIPPED_SHOWN_MAX = 50


@agent
def import_log(source: Path, user: str, complete: bool = False) -> dict[str, Any]:
    """`complete`: the files are the whole log of those whom they name, so entries that are no longer in them go;
    those from a file that could not be read as a whole stay."""
    found = read_log(source, user)
    if not found.entries:
        raise Invalid(f"source: no entries found; {_reasons(found.skipped)}")
    unread = {file_of(each.place) for each in found.skipped if not each.is_empty}
    keys: dict[str, list[str]] = {}
    counts = Counter[str]()
    for whose in sorted({entry.user for entry in found.entries}):
        entries = [entry for entry in found.entries if entry.user == whose]
        keys[whose], counted = take_in(whose, entries, complete=complete, unread=unread)
        counts.update(counted)
        context.log(f"{whose}: {len(keys[whose])} entries read")
    return {
        "users": sorted(keys),
        "entries": len(found.entries),
        "batches": [
            {"user": whose, **batch} for whose, listed in sorted(keys.items()) for batch in batches_of(listed)
        ],
        **counts,
        "skipped": [
            {"place": each.place, "reason": each.reason} for each in found.skipped[:SKIPPED_SHOWN_MAX]
        ],
    }


def _reasons(skipped: list[Skipped]) -> str:
    told = "; ".join(f"{each.place}: {each.reason}" for each in skipped[:5])
    return told or "the folder has no files that end with .md, .markdown or .csv"


if __name__ == "__main__":
    import_log.main()
