"""A run's live view: all of it, in order, once, whoever commits and whatever the bus repeats or loses."""

import pytest
import websockets

from tests.live.conftest import Begin, Orchestrator, received, seqs


async def test_a_run_is_told_from_its_start_to_its_end(orchestrator: Orchestrator) -> None:
    run = (await orchestrator.start())["id"]
    viewer = await orchestrator.watch(f"/runs/{run}/live")
    first = await received(viewer, 1)

    await orchestrator.cancel(run)
    events = first + await received(viewer)

    assert seqs(events) == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("penstock.run.started", "penstock.run.cancelled")
    assert (viewer.close_code, viewer.close_reason) == (1000, "run ended")
