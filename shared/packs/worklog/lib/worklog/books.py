"""The pack's tables, as its agents ask for them. Their rows are described in store.yaml."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock.agents import store

Row = dict[str, Any]
Rows = dict[str, Row]
WRITES_AT_ONCE = 200
WRITE_BYTES_MAX = 600_000  # below the 768 KiB that a write may have

log = store.open("worklog")


def entries_between(user: str, first: str, last: str) -> Rows:
    """By key, in order."""
    where = {"user": user, store.KEY: {">=": first, "<=": last}}
    return {row.key: row.value for row in log.rows("entries", where)}


def entries_of(user: str, since: str | None = None, until: str | None = None) -> Rows:
    return {row.key: row.value for row in log.rows("entries", _of(user, since, until), order="day")}


def analyses_between(user: str, first: str, last: str) -> Rows:
    where = {"user": user, store.KEY: {">=": first, "<=": last}}
    return {row.key: row.value for row in log.rows("analyses", where)}


def analyses_of(user: str, since: str | None = None, until: str | None = None) -> list[Row]:
    return [row.value for row in log.rows("analyses", _of(user, since, until), order="day")]


def table_of(table: str, user: str) -> Rows:
    """All rows of a person."""
    return {row.key: row.value for row in log.rows(table, {"user": user})}


def values_of(table: str) -> Iterator[Row]:
    """All rows of everybody."""
    return (row.value for row in log.rows(table))


def replace_rows(table: str, before: Mapping[str, Row], after: Mapping[str, Row]) -> dict[str, int]:
    """Make `before` into `after`; only what differs is written. Returns how many were `added`, `changed`, `removed`."""
    added = [key for key in after if key not in before]
    changed = [key for key in after if key in before and before[key] != after[key]]
    removed = [key for key in before if key not in after]
    writes = [store.put(table, key, after[key]) for key in (*added, *changed)]
    write_all([*writes, *(store.delete(table, key) for key in removed)])
    return {"added": len(added), "changed": len(changed), "removed": len(removed)}


def write_all(operations: Iterable[store.Operation]) -> None:
    """In parts that fit into one write."""
    part: list[store.Operation] = []
    size = 0
    for operation in operations:
        bytes_ = len(json.dumps(operation.value)) + len(operation.key)
        if part and (len(part) == WRITES_AT_ONCE or size + bytes_ > WRITE_BYTES_MAX):
            log.write(part)
            part, size = [], 0
        part.append(operation)
        size += bytes_
    log.write(part)


def _of(user: str, since: str | None, until: str | None) -> dict[str, Any]:
    days = {"<=": until, ">=": since}
    limits = {comparison: day for comparison, day in days.items() if day}
    return {"user": user, **({"day": limits} if limits else {})}
