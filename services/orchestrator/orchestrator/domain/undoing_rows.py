"""Undoing what a node wrote into a store: which rows get which value again, or why that can't be."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from penstock.contracts.value import Value

RowName = tuple[str, str]
"""Table and key."""


class Change(Value, frozen=True):
    """What a node did to a row: as it found it, and as it left it. None: there was no row."""

    row: RowName
    before: str | None  # JSON
    before_version: int | None
    after_version: int | None
    interrupted: bool = False


class Restoration(Value, frozen=True):
    """A row, its former value and the version that it had; None: it is to be deleted."""

    row: RowName
    value: str | None
    version: int | None


class Undoing(Value, frozen=True):
    """`changed_since`: rows that somebody else has written since, or in between."""

    restorations: tuple[Restoration, ...]
    changed_since: tuple[RowName, ...]


def undoing_of(changes: Iterable[Change], versions: Mapping[RowName, int]) -> Undoing:
    """What undoes `changes`, in rows that have `versions` now.

    Several nodes (the items of one `foreach`) may have written one row after another; then the first one's
    `before` counts, if each found what the former had left.
    """
    restorations: list[Restoration] = []
    changed_since: list[RowName] = []
    by_row = sorted(changes, key=lambda change: (change.row, change.before_version or 0))
    for row, group in groupby(by_row, key=lambda change: change.row):
        found = list(group)
        if not _is_unbroken(found, versions.get(row)):
            changed_since.append(row)
        is_gone_anyway = found[0].before is None and row not in versions
        if not is_gone_anyway:
            restorations.append(Restoration(row, found[0].before, found[0].before_version))
    return Undoing(tuple(restorations), tuple(changed_since))


def _is_unbroken(changes: list[Change], version: int | None) -> bool:
    """Whether each change found what the former one left, and the row is as the last one left it."""
    left = [change.after_version for change in changes]
    found = [change.before_version for change in changes[1:]]
    return left[:-1] == found and left[-1] == version and not any(change.interrupted for change in changes)
