"""A flood of events, on the bus and at once: none is lost, and what a trigger means starts its run."""

from benchmarks.flood import measure_flood
from tests.stack import Stack

EVENTS = 5_000


async def test_a_flood_of_events_loses_none(stack: Stack) -> None:
    flood = await measure_flood(
        stack, events=EVENTS, per_second=5_000, source="/flood-of-the-tests", agent="steady"
    )

    assert (flood.stored, flood.lost) == (EVENTS, 0)
    assert (flood.meant, flood.runs) == (5, 5)
