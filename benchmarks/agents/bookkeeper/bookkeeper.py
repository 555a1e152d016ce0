"""Writes as fast as a store takes it; says when it began and ended, so that starting it is not measured."""

import time
from typing import Any

from penstock.agents import agent, store


@agent
def bookkeeper(prefix: str = "", writes: int = 0, rows: int = 1, undo: str = "") -> dict[str, Any]:
    """Undoes the node `undo`, or writes `rows` new rows `writes` times, one call after another."""
    books = store.open("books")
    began = time.time()
    if undo:
        changed = books.undo(undo).deleted
    else:
        for write in range(writes):
            books.write([_put(f"{prefix}-{write}-{row}", row) for row in range(rows)])
        changed = writes * rows
    return {"began": began, "ended": time.time(), "rows": changed}


def _put(key: str, number: int) -> store.Operation:
    return store.put("entries", key, {"user": f"user {number % 100}", "hours": number, "text": "x" * 100})


if __name__ == "__main__":
    bookkeeper.run()
