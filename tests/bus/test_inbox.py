"""Events from other systems over the bus: kept once each; what is no event is buried once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from orchestrator.bus.inbox import InboxDoor
from orchestrator.engine.inbox import Inbox
from orchestrator.engine.registry import RunnerRegistry
from penstock.bus import permissions
from penstock.bus.connection import connect
from penstock.contracts import subjects
from penstock.contracts.inbound import alert_type
from penstock.contracts.wire import encode
from penstock.service import end
from penstock_cli.embedded.nats import Nats
from tests.engine.conftest import World, open_world

PAID = "shop.order.paid"
SUBJECT = subjects.inbound("default", PAID)


@pytest.fixture
async def world(database: str, own_nats: Nats) -> AsyncIterator[World]:
    async with open_world(database, own_nats) as opened:
        inbox = Inbox(opened.pool)
        door = InboxDoor(opened.bus, inbox, RunnerRegistry(opened.pool))
        await door.declare()
        loops = [asyncio.create_task(loop) for loop in (inbox.run(), door.run())]
        yield opened
        await end(loops[1])
        await end(loops[0])


@pytest.fixture
async def publisher(own_nats: Nats) -> AsyncIterator[Client]:
    """Another system, with the rights that it has."""
    login = own_nats.login(permissions.PUBLISHER)
    async with connect(url=own_nats.url, user=login.user, password=login.password, name="shop") as bus:
        yield bus.client


def event(id: object, **fields: Any) -> bytes:
    return encode({"specversion": "1.0", "id": str(id), "source": "/shop", "type": PAID, **fields})


async def until(world: World, query: str, count: int) -> None:
    async with asyncio.timeout(10):
        while await world.pool.fetchval(query) < count:
            await asyncio.sleep(0.02)


async def until_settled(world: World) -> None:
    """Every message of the stream was delivered and acknowledged."""
    async with asyncio.timeout(10):
        while True:
            info = await world.bus.client.jetstream().consumer_info("INBOX", subjects.CONSUMER_INBOX)
            if info.num_pending == 0 and info.num_ack_pending == 0:
                return
            await asyncio.sleep(0.02)


async def test_events_are_kept_once_however_often_they_are_published(world: World, publisher: Client) -> None:
    for _ in range(3):
        for n in range(5):
            await publisher.jetstream().publish(SUBJECT, event(n, data={"n": n}))
    await until_settled(world)

    rows = await world.pool.fetch("select project, type, id, data from inbound_event order by seq")
    assert [(row["project"], row["type"], row["id"]) for row in rows] == [
        ("default", PAID, str(n)) for n in range(5)
    ]
    assert [row["data"] for row in rows] == [f'{{"n":{n}}}' for n in range(5)]


async def test_a_binary_event_has_its_attributes_in_headers(world: World, publisher: Client) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/shop",
        "ce-type": PAID,
        "content-type": "application/json",
    }

    await publisher.jetstream().publish(SUBJECT, b'{"order":17}', headers=headers)
    await until_settled(world)

    assert await world.pool.fetchval("select data from inbound_event") == '{"order":17}'


async def test_what_is_no_event_is_buried_once_and_its_neighbours_are_kept(
    world: World, publisher: Client
) -> None:
    garbage = (b"", b"\x00\xff", b"null", b"[1,2]", b"{}", b"{" * 1000, event(1, time="?"))
    for payload in garbage:
        await publisher.publish(SUBJECT, payload)
    await publisher.publish(subjects.inbound("default", "another.type"), event(2))
    await publisher.publish(subjects.inbound("No-Project", PAID), event(3))
    await publisher.jetstream().publish(SUBJECT, event(4))
    await until(world, "select count(*) from dead_letter", len(garbage) + 2)
    await until_settled(world)

    letters = await world.pool.fetch("select subject, reason from dead_letter")
    reasons = {letter["subject"]: letter["reason"] for letter in letters}
    assert len(letters) == len(garbage) + 2
    assert all(letter["reason"] for letter in letters)
    elsewhere = subjects.inbound("default", "another.type")
    assert reasons[elsewhere] == f"an event of type '{PAID}' on {elsewhere}"
    assert "No-Project" in reasons[subjects.inbound("No-Project", PAID)]
    assert [row["id"] for row in await world.pool.fetch("select id from inbound_event")] == ["4"]


async def test_an_alert_that_the_notifier_sends_is_kept(world: World, own_nats: Nats) -> None:
    login = own_nats.login(permissions.NOTIFIER)
    sent = {"specversion": "1.0", "id": "1", "source": "/alertmanagers/main", "type": alert_type("firing")}
    async with connect(url=own_nats.url, user=login.user, password=login.password, name="notifier") as bus:
        await bus.client.jetstream().publish(subjects.inbound("default", sent["type"]), encode(sent))
    await until_settled(world)

    assert await world.pool.fetchval("select type from inbound_event") == "penstock.alert.firing"


async def test_events_that_came_while_no_orchestrator_was_there_are_kept_by_the_next(
    database: str, own_nats: Nats, publisher: Client
) -> None:
    async with open_world(database, own_nats) as world:
        await publisher.jetstream().publish(SUBJECT, event(1))
        inbox = Inbox(world.pool)
        door = InboxDoor(world.bus, inbox, RunnerRegistry(world.pool))
        loops = [asyncio.create_task(loop) for loop in (inbox.run(), door.run())]  # nobody has declared it

        await until(world, "select count(*) from inbound_event", 1)
        await end(*loops)


async def test_a_publisher_sends_events_and_nothing_else(world: World, own_nats: Nats) -> None:
    login = own_nats.login(permissions.PUBLISHER)
    refused: asyncio.Queue[str] = asyncio.Queue()

    async def note(error: Exception) -> None:
        refused.put_nowait(str(error).lower())

    client = await nats.connect(
        own_nats.url,
        user=login.user,
        password=login.password,
        error_cb=note,
        inbox_prefix=b"_INBOX_publisher",
    )
    await client.publish("penstock.node.ready.default.echo", b"{}")
    await client.publish(subjects.inbound("default", "penstock.alert.firing"), b"{}")
    await client.subscribe("penstock.in.>")

    async with asyncio.timeout(10):
        reasons = [await refused.get() for _ in range(3)]
    assert any("publish" in reason and "penstock.node.ready" in reason for reason in reasons)
    assert any("publish" in reason and "penstock.alert.firing" in reason for reason in reasons)
    assert any("subscription" in reason and "penstock.in" in reason for reason in reasons)
    await client.close()
