"""What an orchestrator was to do after a commit and did not, because it died: somebody does it later."""

import asyncio
from uuid import UUID

import pytest

from orchestrator.domain.events import CancelRequested, SlotGranted
from orchestrator.engine.port import ForkPoint
from tests.engine.conftest import World, chain


async def ended_as(world: World, run: UUID) -> str:
    async with asyncio.timeout(5):
        while (state := (await world.run(run))["state"]) not in ("succeeded", "failed", "cancelled"):
            await asyncio.sleep(0.01)
    return str(state)


async def child_of(world: World, run: UUID) -> UUID:
    async with asyncio.timeout(5):
        while (id_ := await world.pool.fetchval("select id from run where parent_run = $1", run)) is None:
            await asyncio.sleep(0.01)
        while "node.child_started" not in await world.kinds(run):
            await asyncio.sleep(0.01)
    return UUID(str(id_))


async def test_a_run_that_is_cancelled_learns_of_the_end_of_its_sub_workflow_though_the_word_was_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.define(chain("inner", length=1))
    await world.define({"name": "outer", "nodes": {"call": {"workflow": "inner", "with": {"value": 1}}}})
    outer = (await world.start("outer")).run_id
    child = await child_of(world, outer)
    with monkeypatch.context() as lossy:
        lossy.setattr(world.engine.effects, "order", lambda run, commands: None)
        await world.engine.handle([(outer, CancelRequested("ada", "enough"))])
        await world.engine.handle([(child, CancelRequested("ada", "enough"))])
    assert await ended_as(world, child) == "cancelled"
    assert (await world.run(outer))["state"] == "cancelling"

    await world.time_passes(outer)
    await world.sweep()

    assert await ended_as(world, outer) == "cancelled"


async def test_a_queued_fork_begins_where_it_was_forked_also_at_another_orchestrator(
    world: World, second_world: World
) -> None:
    limit = {"key": "one", "limit": 1}
    await world.define({**chain("guard", length=2), "concurrency": limit})
    source = (await world.start("guard")).run_id
    await world.succeed(source, "n0")
    fork = await world.start("guard", fork=ForkPoint(source, "n1"))
    assert fork.state == "queued"

    await second_world.engine.handle([(fork.run_id, SlotGranted())])

    assert (await second_world.node(fork.run_id, "n1"))["state"] == "ready"
