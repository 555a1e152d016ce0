"""The records of one program in the pack's store. What a stage writes goes out together, at its end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from penstock.agents import Invalid, store
from value_lifecycle.audit import Rows
from value_lifecycle.records import Json, Record, record

STORE = "value-lifecycle"
BATCH_MAX = 500  # of the 1,000 operations that a batch may have: rows of 1 KiB still fit into a message

Kind = TypeVar("Kind", bound=Record)
Operations = list[store.Operation]


class Book:
    """What is known of a program."""

    def __init__(self, program: str) -> None:
        self.program = program
        self._store = store.open(STORE)
        self._known: dict[tuple[str, str], Json] = {}  # what was read

    def all(self, kind: type[Kind], **where: Any) -> list[Kind]:
        """In the order of their keys."""
        return [record(kind, row) for row in self._read(kind.TABLE, where).values()]

    def some(self, kind: type[Kind], *, needed_for: str, made_by: str, **where: Any) -> list[Kind]:
        """At least one; raises Invalid that says which workflow or stage makes them."""
        found = self.all(kind, **where)
        if not found:
            shown = "".join(f" that are {value}" for value in where.values())
            raise Invalid(
                f"program '{self.program}' has no {kind.TABLE}{shown} for {needed_for}: {made_by} makes them; "
                "run it, look at what it rejected, or name another program"
            )
        return found

    def rows(self, tables: Sequence[str]) -> Rows:
        """As they are stored, table by table."""
        return {table: self._read(table, {}) for table in tables}

    def put(self, records: Iterable[Record]) -> Operations:
        """New ones, and new contents of old ones. What is as it was read is left alone: a row that was written again
        could not be undone any more by the run that had written it first."""
        changed = (one for one in records if self._known.get((one.TABLE, one.key)) != one.row())
        return [store.put(one.TABLE, one.key, one.row()) for one in changed]

    def exactly(self, kind: type[Record], records: Sequence[Record]) -> Operations:
        """These of their kind and no others, whatever the program had before."""
        kept = {one.key for one in records}
        gone = [one.key for one in self.all(kind) if one.key not in kept]
        return [*(store.delete(kind.TABLE, key) for key in gone), *self.put(records)]

    def write(self, *changes: Operations) -> None:
        """All of a stage's changes, or none of them; those that are too many for one call in several."""
        operations = [each for some in changes for each in some]
        for start in range(0, len(operations), BATCH_MAX):
            self._store.write(operations[start : start + BATCH_MAX])

    def _read(self, table: str, where: Mapping[str, Any]) -> dict[str, Json]:
        found = self._store.rows(table, where={"program": self.program, **where})
        rows = {row.key: row.value for row in found}
        self._known |= {(table, key): row for key, row in rows.items()}
        return rows
