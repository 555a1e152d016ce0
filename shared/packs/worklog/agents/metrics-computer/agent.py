"""Sums up all logs into the snapshot of a day."""

from typing import Any

from worklog.books import log, values_of
from worklog.period import day as day_of
from worklog.snapshot import snapshot_of

from penstock.agents import agent, store


@agent
def compute(day: str) -> dict[str, Any]:
    """One row for each day, however often it is computed."""
    at = day_of(day, "day")
    snapshot = snapshot_of(at, values_of("entries"), values_of("analyses"))
    log.write([store.put("metrics", at.isoformat(), snapshot)])
    return snapshot


if __name__ == "__main__":
    compute.main()
