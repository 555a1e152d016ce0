"""Takes read entries into the store."""

from collections.abc import Collection, Mapping, Sequence

from penstock.agents import store
from worklog.books import Rows, log, write_all
from worklog.entry import Entry, file_of
from worklog.identity import keyed

TRIES_MAX = 10  # two imports at once read again what the other has written


def take_in(
    user: str, entries: Sequence[Entry], *, complete: bool, unread: Collection[str]
) -> tuple[list[str], dict[str, int]]:
    """The keys of a person's entries, and how many were `added`, `changed` and `removed`.

    `complete`: those that are not among `entries` go, with what was said of them; except those from files of which
    not all could be read (`unread`).
    """
    first: Rows | None = None
    for tries_left in reversed(range(TRIES_MAX)):
        before = {row.key: row for row in log.rows("entries", {"user": user})}
        values = {key: row.value for key, row in before.items()}
        first = values if first is None else first
        found = keyed(entries, values, complete=complete, unread=unread)
        rows = {key: entry.row() for key, entry in found.items()}
        gone = [
            key
            for key, row in values.items()
            if complete and key not in rows and file_of(row["source"]) not in unread
        ]
        try:
            write_all(_operations(before, rows, gone))
        except store.Conflict:
            if not tries_left:
                raise
            continue
        return sorted(rows), _counts(first, rows, gone)
    raise AssertionError("the last try returns or raises")


def _operations(before: Mapping[str, store.Row], rows: Rows, gone: Sequence[str]) -> list[store.Operation]:
    """Nothing that somebody else has written meanwhile is written over."""
    operations = []
    for key, row in rows.items():
        if key not in before:
            operations.append(store.insert("entries", key, row))
        elif before[key].value != row:
            operations.append(store.put("entries", key, row, version=before[key].version))
    for key in gone:
        operations.append(store.delete("entries", key, version=before[key].version))
        operations.append(store.delete("analyses", key))
    return operations


def _counts(first: Rows, rows: Rows, gone: Sequence[str]) -> dict[str, int]:
    """Against what was there at the beginning. An entry that only stands elsewhere now has not changed."""
    changed = (key for key in rows if key in first and first[key]["digest"] != rows[key]["digest"])
    return {
        "added": sum(key not in first for key in rows),
        "changed": sum(1 for _ in changed),
        "removed": len(gone),
    }
