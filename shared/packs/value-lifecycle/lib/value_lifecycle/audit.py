"""The audit trail: a chain of hashes over what happened to the records of a program.

Each entry names a record, the digest of its row, and the hash of the entry before. Whoever changes a row leaves a
digest that does not match; whoever changes an entry breaks the chain from there on.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from value_lifecycle.records import Entry, Json

GENESIS = "0" * 64
CHAINED = (
    "accounts", "kpis", "opportunities", "targets", "commitments", "plans", "measurements", "performance",
    "interventions", "candidates", "scenarios", "cases", "roadmap", "controls",
)  # fmt: skip

Rows = Mapping[str, Mapping[str, Json]]  # table → key → row


def digest_of(value: Any) -> str:
    """SHA-256 of the value's JSON: keys sorted, no blanks, and 1 and 1.0 are the same number."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def broken_at(trail: Sequence[Entry]) -> str | None:
    """The number of the first entry that does not follow from the one before; None if the chain holds."""
    previous = GENESIS
    for count, entry in enumerate(trail, start=1):
        if entry.number != f"{count:06}" or entry.previous != previous or entry.hash != _hash(entry):
            return entry.number
        previous = entry.hash
    return None


def head_of(trail: Sequence[Entry]) -> str:
    return trail[-1].hash if trail else GENESIS


def continued(
    trail: Sequence[Entry], rows: Rows, *, program: str, tables: Sequence[str] = CHAINED
) -> list[Entry]:
    """The entries to add, so that the trail tells of every record of these tables as it is now."""
    known = {(entry.table, entry.record): entry for entry in trail if entry.table in tables}
    present = {(table, key): digest_of(row) for table in tables for key, row in rows.get(table, {}).items()}
    added: list[Entry] = []
    for place in sorted({*known, *present}):
        last, digest = known.get(place), present.get(place, "")
        change = _change(last, digest)
        if change is None:
            continue
        draft = Entry(
            program=program,
            number=f"{len(trail) + len(added) + 1:06}",
            table=place[0],
            record=place[1],
            change=change,
            digest=digest,
            previous=added[-1].hash if added else head_of(trail),
            hash="",
        )
        added.append(replace(draft, hash=_hash(draft)))
    return added


def _change(last: Entry | None, digest: str) -> str | None:
    if last is None or last.change == "removed":
        return "recorded" if digest else None
    if not digest:
        return "removed"
    return "changed" if last.digest != digest else None


def _hash(entry: Entry) -> str:
    return digest_of({name: value for name, value in entry.row().items() if name != "hash"})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
