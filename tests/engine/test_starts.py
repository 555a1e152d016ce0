"""Starting runs: once for a key, whoever asks how often."""

import asyncio

import pytest

from orchestrator.engine.port import Superseded
from penstock.contracts.errors import Conflict, NotFound
from tests.engine.conftest import World, chain


async def test_a_started_run_has_its_roots_ready_and_its_timeline_begun(world: World) -> None:
    await world.define(chain("pair"))

    started = await world.start("pair")

    assert started.created
    assert await world.kinds(started.run_id) == ["run.started", "node.ready"]
    assert (await world.node(started.run_id, "n0"))["state"] == "ready"
    assert await world.node(started.run_id, "n1") is None


async def test_concurrent_identical_requests_create_one_run(world: World, second_world: World) -> None:
    await world.define(chain("pair"))

    answers = await asyncio.gather(
        *(w.start("pair", idempotency_key="same") for w in (world, second_world) for _ in range(25))
    )

    assert len({answer.run_id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert await world.pool.fetchval("select count(*) from run") == 1


async def test_the_same_key_with_another_body_is_a_conflict(world: World) -> None:
    await world.define(chain("pair"))
    first = await world.start("pair", idempotency_key="key", digest="one")

    with pytest.raises(Conflict, match=str(first.run_id)):
        await world.start("pair", idempotency_key="key", digest="two")


async def test_a_version_that_is_not_the_latest_any_more_is_superseded(world: World) -> None:
    await world.define(chain("pair"))
    await world.start("pair")
    await world.pool.execute("update workflow set latest_version = 2")

    with pytest.raises(Superseded):
        await world.start("pair")
    assert (await world.start("pair", latest=False)).created


async def test_an_inactive_workflow_starts_nothing(world: World) -> None:
    await world.define(chain("pair"))
    await world.pool.execute("update workflow set active = false")

    with pytest.raises(Superseded, match="inactive"):
        await world.start("pair")
    assert await world.pool.fetchval("select count(*) from run") == 0


async def test_an_unknown_version_fails_alone(world: World) -> None:
    await world.define(chain("pair"))

    good, bad = await asyncio.gather(
        world.start("pair"), world.start("pair", version=7), return_exceptions=True
    )

    assert isinstance(bad, NotFound)
    assert not isinstance(good, BaseException)
    assert good.created
