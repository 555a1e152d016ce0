"""The records of one program in the pack's store. What a stage writes goes out together, at its end."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from penstock.agents import Invalid, context, store
from value_lifecycle.audit import Rows
from value_lifecycle.records import Json, Record, record

STORE = "value-lifecycle"
OPERATIONS_MAX = 1_000  # that the store takes in one write
BATCH_BYTES_MAX = 700 * 1024  # it takes 768 KiB, with the names of the fields around the rows
OPERATION_BYTES = 64  # of such names, and of the commas

Kind = TypeVar("Kind", bound=Record)
Operations = list[store.Operation]


class Book:
    """What is known of a program.

    A stage begins from what the stage before has left: what an earlier attempt of its own had written before it was
    lost is undone first. Read as it is, it would be taken for the work of others, and half of it would be judged.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self._store = store.open(STORE)
        if context.attempt > 1:
            self._store.undo(context.node)
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
        """All of a stage's changes, in one write: all of them, or none.

        Too many for one go out in several; if one of those fails, the ones before it are undone.
        """
        batches = list(batched([each for some in changes for each in some]))
        try:
            for batch in batches:
                self._store.write(batch)
        except Exception:
            if len(batches) > 1:
                self._store.undo(context.node)
            raise

    def _read(self, table: str, where: Mapping[str, Any]) -> dict[str, Json]:
        found = self._store.rows(table, where={"program": self.program, **where})
        rows = {row.key: row.value for row in found}
        self._known |= {(table, key): row for key, row in rows.items()}
        return rows


def batched(operations: Iterable[store.Operation]) -> Iterator[Operations]:
    """As many at a time as the store takes in one write."""
    batch: Operations = []
    size = 0
    for each in operations:
        bytes_of_it = OPERATION_BYTES + len(json.dumps(each).encode())
        if batch and (len(batch) == OPERATIONS_MAX or size + bytes_of_it > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += bytes_of_it
    if batch:
        yield batch
