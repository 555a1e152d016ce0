"""The dispatcher: how many offers are out, whose turn it is, and that what waits is neither lost nor repeated."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from nats.aio.msg import Msg

from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded, CancelRequested
from orchestrator.engine.capacity import SLOTS_UNKNOWN
from penstock.bus.connection import connect
from penstock.bus.streams import declare_consumer
from penstock.contracts import subjects
from penstock.contracts.messages import StartNode
from penstock.contracts.wire import decode
from penstock_cli.embedded.nats import Nats
from tests.engine.conftest import World, chain, open_world
from tests.engine.test_limits import limit
from tests.servers import TESTER

Offered = Callable[[int], Awaitable[list[StartNode]]]

# A bus that is slow to count what it was sent looks as if another orchestrator had granted it.
TOO_MANY_MAX = 3

BURST = 3 * SLOTS_UNKNOWN


@pytest.fixture
async def clean(database: str, own_nats: Nats) -> AsyncIterator[World]:
    """An orchestrator whose bus holds nothing of other tests."""
    async with open_world(database, own_nats) as opened:
        yield opened


@pytest.fixture
async def offered(clean: World, own_nats: Nats) -> AsyncIterator[Offered]:
    """The next so many offers; hardly more are there. Those taken before are claimed: they are acknowledged."""
    login = own_nats.login(TESTER)
    async with connect(url=own_nats.url, user=login.user, password=login.password, name="taker") as bus:
        jetstream = bus.client.jetstream()
        durable, stream = subjects.ready_consumer("default"), subjects.STREAM_NODES
        subject = subjects.ready_of_pool("default")
        await declare_consumer(jetstream, stream=stream, durable=durable, subject=subject)
        consumer = await jetstream.pull_subscribe_bind(durable, stream)

        in_hand: list[Msg] = []

        async def take(count: int) -> list[StartNode]:
            orders: list[StartNode] = []
            for message in in_hand:
                await message.ack_sync()
            in_hand.clear()
            async with asyncio.timeout(10):
                while len(orders) < count:
                    messages = await consumer.fetch(count - len(orders), timeout=5)
                    orders += [decode(message.data, StartNode) for message in messages]
                    in_hand.extend(messages)
            assert (await consumer.consumer_info()).num_pending <= TOO_MANY_MAX
            return orders

        yield take


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


async def burst(world: World, count: int = BURST, **fields: object) -> list[UUID]:
    return [(await world.start("pair", **fields)).run_id for _ in range(count)]


async def claim(world: World, orders: list[StartNode]) -> list[UUID]:
    tokens = [uuid4() for _ in orders]
    events = [
        (order.run, AttemptClaimed(order.node, order.attempt, token, "r"))
        for order, token in zip(orders, tokens, strict=True)
    ]
    await world.engine.handle(events)
    return tokens


async def test_no_more_offers_are_out_than_the_pool_has_slots(clean: World, offered: Offered) -> None:
    await clean.define(chain("pair"))
    await clean.pool.execute(
        "insert into runner (id, pool, host, slots, tier, agents) values ('r', 'default', 'h', 3, 'none', '[]')"
    )
    await clean.engine.dispatcher.look_again()

    await burst(clean, 5)
    await until(lambda: clean.engine.dispatcher.waiting == 2)
    orders = await offered(3)
    await claim(clean, orders)

    assert len(await offered(2)) == 2


async def test_one_run_of_another_project_is_next(clean: World, offered: Offered) -> None:
    await clean.define(chain("pair"))
    await clean.define(chain("pair"), project="quiet")
    await burst(clean)
    quiet = (await clean.start("pair", project="quiet")).run_id
    await until(lambda: clean.engine.dispatcher.waiting == BURST + 1 - SLOTS_UNKNOWN)

    await claim(clean, await offered(SLOTS_UNKNOWN))

    assert quiet in [order.run for order in await offered(SLOTS_UNKNOWN)][: 2 + TOO_MANY_MAX]


async def test_the_urgent_run_of_a_project_is_next(clean: World, offered: Offered) -> None:
    await clean.define(chain("pair"))
    await burst(clean)
    urgent = (await clean.start("pair", priority=1)).run_id
    await until(lambda: clean.engine.dispatcher.waiting == BURST + 1 - SLOTS_UNKNOWN)

    await claim(clean, await offered(SLOTS_UNKNOWN))

    assert urgent in [order.run for order in await offered(SLOTS_UNKNOWN)][: 1 + TOO_MANY_MAX]


async def test_what_waits_is_not_published_again_and_what_was_lost_is(clean: World) -> None:
    await clean.sweep()
    await clean.define(chain("pair"))
    runs = await burst(clean)
    await until(lambda: clean.engine.dispatcher.waiting == BURST - SLOTS_UNKNOWN)
    out, waiting = runs[0], runs[-1]

    for run in (out, waiting):
        await clean.time_passes(run)
    await clean.sweep()

    assert (await clean.node(out, "n0"))["publication"] == 2
    still = await clean.pool.fetchrow(
        "select publication, wake_at > now() as later from node where run_id = $1", waiting
    )
    assert tuple(still) == (1, True)


async def test_offers_that_were_claimed_through_another_orchestrator_free_their_places(
    clean: World, offered: Offered, database: str, own_nats: Nats
) -> None:
    await clean.define(chain("pair"))
    await burst(clean)
    await until(lambda: clean.engine.dispatcher.waiting == BURST - SLOTS_UNKNOWN)

    async with open_world(database, own_nats) as other:
        for _ in range(BURST // SLOTS_UNKNOWN):
            await claim(other, await offered(SLOTS_UNKNOWN))
        held = await clean.pool.fetchval("select count(*) from node where state = 'running'")

    assert (held, clean.engine.dispatcher.waiting) == (BURST, 0)


async def test_a_cancelled_run_no_longer_waits(clean: World, offered: Offered) -> None:
    await clean.define(chain("pair"))
    runs = await burst(clean)
    await until(lambda: clean.engine.dispatcher.waiting == BURST - SLOTS_UNKNOWN)

    for run in runs[SLOTS_UNKNOWN:]:
        await clean.engine.handle([(run, CancelRequested(by="ada", reason="enough"))])

    await until(lambda: clean.engine.dispatcher.waiting == 0)
    assert len(await offered(SLOTS_UNKNOWN)) == SLOTS_UNKNOWN


async def test_who_stops_publishes_what_waits(clean: World, offered: Offered) -> None:
    await clean.define(chain("pair"))
    await burst(clean)
    await until(lambda: clean.engine.dispatcher.waiting == BURST - SLOTS_UNKNOWN)

    await clean.relay.drain()

    assert len(await offered(BURST)) == BURST


async def test_a_full_project_is_offered_as_its_slots_become_free(clean: World, offered: Offered) -> None:
    await clean.define(chain("pair", length=1))
    await limit(clean, 2)
    await burst(clean, 5)
    await until(lambda: clean.engine.dispatcher.waiting == 3)
    orders = await offered(2)
    tokens = await claim(clean, orders)

    await clean.engine.handle([(orders[0].run, AttemptSucceeded("n0", 1, tokens[0], b'{"value": 1}'))])

    assert len(await offered(1)) == 1
    assert clean.engine.dispatcher.waiting == 2


async def test_a_claim_that_a_limit_refused_is_offered_again(clean: World, offered: Offered) -> None:
    await clean.define(chain("pair", length=1))
    runs = await burst(clean, 2)
    orders = await offered(2)
    await limit(clean, 1)
    tokens = await claim(clean, orders)
    await until(lambda: clean.engine.dispatcher.waiting == 1)
    held = [(await clean.node(run, "n0"))["state"] for run in runs].index("running")

    await clean.engine.handle([(orders[held].run, AttemptSucceeded("n0", 1, tokens[held], b'{"value": 1}'))])

    assert [order.run for order in await offered(1)] == [runs[1 - held]]
