"""Sums up all logs into the snapshot of a day."""

from typing import Any

from worklog.books import values_of, write_all
from worklog.period import day as day_of
from worklog.snapshot import rows_of, snapshot_of

from penstock.agents import agent, store


@agent
def compute(day: str) -> dict[str, Any]:
    """A row for each day and one for each person on it, however often it is computed."""
    at = day_of(day, "day")
    rows = rows_of(snapshot_of(at, values_of("entries"), values_of("analyses")))
    write_all(store.put(table, key, row) for table in rows for key, row in rows[table].items())
    return rows["metrics"][at.isoformat()]


if __name__ == "__main__":
    compute.main()
