"""Forks through the real engine: written with what they take over, and read back as they were."""

import asyncio

from orchestrator.engine.port import ForkPoint
from tests.engine.conftest import World, chain


async def test_a_queued_fork_that_is_read_back_goes_on_from_its_node(world: World) -> None:
    await world.define({**chain("forked", length=3), "concurrency": 1})
    source = (await world.start("forked")).run_id
    for name in ("n0", "n1", "n2"):
        await world.succeed(source, name)
    holder = (await world.start("forked")).run_id
    fork = await world.start("forked", fork=ForkPoint(source, "n1"), input=b'{"value": 2}')
    assert fork.state == "queued"
    world.engine.runs.forget(fork.run_id)

    for name in ("n0", "n1", "n2"):
        await world.succeed(holder, name)
    async with asyncio.timeout(5):
        while (await world.run(fork.run_id))["state"] == "queued":
            await asyncio.sleep(0.01)
    await world.succeed(fork.run_id, "n1")
    await world.succeed(fork.run_id, "n2")

    assert (await world.run(fork.run_id))["state"] == "succeeded"
    taken = await world.node(fork.run_id, "n0")
    assert (taken["output"], taken["output_run"]) == (None, source)
    assert (await world.node(fork.run_id, "n1"))["input"] == '{"value":1}'  # what the source's n0 gave
