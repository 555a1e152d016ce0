"""The sweep: what time does to runs. Tests move the timers, they do not wait."""

import asyncio
import time
from uuid import uuid4

import pytest

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptFailed, AttemptSucceeded, CancelRequested
from orchestrator.store.outbox import mark_published
from penstock.contracts.failure import ErrorClass, Failure
from penstock_cli.embedded.nats import Nats
from tests.engine.conftest import LEASE, World, chain, open_world
from tests.engine.test_apply import assert_invariants


@pytest.fixture
async def calm(world: World) -> World:
    """A world whose sweeps have run for longer than a lease."""
    await world.sweep()
    world.sweep._leases_from = time.monotonic() - 1
    return world


async def test_a_lapsed_lease_is_a_failed_attempt_that_is_tried_again(calm: World) -> None:
    await calm.define(chain("pair"))
    run = (await calm.start("pair")).run_id
    lost = await calm.claim(run, "n0")

    await calm.time_passes(run)
    await calm.sweep()
    assert (await calm.node(run, "n0"))["state"] == "backoff"
    await calm.time_passes(run)
    await calm.sweep()

    assert (await calm.node(run, "n0"))["attempt"] == 2
    late = await calm.engine.handle([(run, AttemptSucceeded("n0", 1, lost, b"{}"))])
    assert late == [Outcome.LATE]
    await calm.succeed(run, "n0", attempt=2)
    await assert_invariants(calm)


async def test_a_renewed_lease_does_not_lapse(calm: World) -> None:
    await calm.define(chain("pair"))
    run = (await calm.start("pair")).run_id
    token = await calm.claim(run, "n0")
    await calm.time_passes(run)

    renewed = await calm.engine.renew(runner="runner-1", tokens=[token, uuid4()])
    await calm.sweep()

    assert renewed.held == (token,)
    assert (await calm.node(run, "n0"))["state"] == "running"


async def test_a_lease_is_not_renewed_for_another_runner_nor_past_the_nodes_timeout(calm: World) -> None:
    await calm.define(chain("pair"))
    run = (await calm.start("pair")).run_id
    token = await calm.claim(run, "n0")

    assert (await calm.engine.renew(runner="somebody-else", tokens=[token])).held == ()
    await calm.pool.execute("update node set deadline_at = now() where run_id = $1", run)
    assert (await calm.engine.renew(runner="runner-1", tokens=[token])).held == ()


async def test_a_cancelled_runs_attempt_is_told_so_at_its_renewal(calm: World) -> None:
    await calm.define(chain("pair"))
    run = (await calm.start("pair")).run_id
    token = await calm.claim(run, "n0")
    await calm.engine.control("default", run, CancelRequested(by="ann", reason="stop"))

    renewed = await calm.engine.renew(runner="runner-1", tokens=[token])

    assert (renewed.held, renewed.cancel) == ((), (token,))


async def test_after_an_outage_no_lease_lapses_for_one_full_lease(world: World) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    await world.claim(run, "n0")
    await world.time_passes(run)

    await world.sweep()  # the first one after a start: nobody could renew before

    assert (await world.node(run, "n0"))["state"] == "running"
    assert world.sweep._leases_from >= time.monotonic() + LEASE.total_seconds() - 5


async def test_an_offer_that_nobody_took_is_published_again(calm: World) -> None:
    await calm.define(chain("pair"))
    run = (await calm.start("pair")).run_id

    await calm.time_passes(run)
    await calm.sweep()

    row = await calm.node(run, "n0")
    assert (row["state"], row["attempt"], row["publication"]) == ("ready", 1, 2)
    await calm.succeed(run, "n0")


async def test_a_run_past_its_deadline_fails_with_a_timeout(calm: World) -> None:
    await calm.define(chain("pair"))
    run = (await calm.start("pair")).run_id
    await calm.pool.execute("update run set deadline_at = now() where id = $1", run)

    await calm.sweep()

    row = await calm.run(run)
    assert row["state"] == "failed"
    assert '"timeout"' in row["failure"]
    await assert_invariants(calm)


async def test_a_retry_waits_for_its_delay(calm: World) -> None:
    await calm.define(chain("pair"))
    run = (await calm.start("pair")).run_id
    token = await calm.claim(run, "n0")
    failure = Failure("Refused", "port closed", ErrorClass.CONNECTION)

    await calm.engine.handle([(run, AttemptFailed("n0", 1, token, failure, 1.0))])
    await calm.sweep()
    waiting = await calm.pool.fetchrow(
        "select state, extract(epoch from wake_at - ended_at), extract(epoch from wake_at - now())::float as due"
        " from node where run_id = $1",
        run,
    )

    assert waiting["state"] == "backoff"
    assert 0 < waiting["due"] <= 0.625  # 500 ms + 25 %


async def test_events_that_never_reached_the_bus_are_published_by_the_sweep(
    database: str, own_nats: Nats
) -> None:
    async with open_world(database, own_nats) as world:
        await world.define(chain("pair"))
        own_nats.kill()
        run = (await world.start("pair")).run_id
        own_nats.start()
        await until_connected(world)
        await world.pool.execute("update run set changed_at = now() - interval '10 seconds'")

        async with asyncio.timeout(30):
            while (await world.run(run))["published"] < 2:
                await world.sweep()
                await world.relay.mark()

        stream = await world.bus.client.jetstream().stream_info("EVENTS")
        assert stream.state.messages >= 2


async def until_connected(world: World) -> None:
    async with asyncio.timeout(20):
        while not world.bus.is_connected:
            await asyncio.sleep(0.05)


async def test_what_another_orchestrator_has_noted_further_is_not_asked_for_again(world: World) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    await world.succeed(run, "n0")
    reached = (await world.run(run))["version"]

    world.relay._published.clear()
    noted = [await mark_published(world.pool, {run: seq}) for seq in (reached, reached - 1)]
    unknown = uuid4()
    gone = await mark_published(world.pool, {unknown: 1})

    assert noted == [{run: reached}, {run: reached - 1}]
    assert gone == {unknown: 1}
    assert (await world.run(run))["published"] == reached
