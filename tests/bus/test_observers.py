"""Other systems read events again, with consumers of their own, and cannot touch anybody else's."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from penstock.bus import permissions
from penstock.bus.streams import declare_consumer, declare_streams
from penstock_cli.embedded.nats import Nats

FILTER = "penstock.event.>"


async def connected(
    server: Nats, user: str, on_error: Callable[[Exception], Awaitable[None]] | None = None
) -> Client:
    login = server.login(user)
    return await nats.connect(
        server.url,
        user=login.user,
        password=login.password,
        inbox_prefix=f"_INBOX_{user}",
        error_cb=on_error or _ignore,
    )


async def _ignore(_: Exception) -> None: ...


@pytest.fixture
async def world(own_nats: Nats) -> AsyncIterator[tuple[Client, Client]]:
    """(orchestrator, observer); five events are on the bus, and the notifier has a consumer."""
    orchestrator, observer = [await connected(own_nats, user) for user in ("orchestrator", "observer")]
    jetstream = orchestrator.jetstream()
    await declare_streams(jetstream)
    await declare_consumer(jetstream, stream="EVENTS", durable="notifier", subject=FILTER)
    for number in range(5):
        await jetstream.publish("penstock.event.default.w.run.started", str(number).encode())
    yield orchestrator, observer
    await orchestrator.close()
    await observer.close()


async def read(client: Client, **options: Any) -> list[bytes]:
    """What an ordered consumer delivers, until the last of the five."""
    subscription = await client.jetstream().subscribe(
        FILTER, stream="EVENTS", ordered_consumer=True, **options
    )
    bodies: list[bytes] = []
    while not bodies or bodies[-1] != b"4":
        bodies.append((await subscription.next_msg(timeout=5)).data)
    await subscription.unsubscribe()
    return bodies


async def test_an_observer_reads_again_from_the_beginning_a_number_and_a_moment(
    world: tuple[Client, Client],
) -> None:
    _, observer = world
    at_number = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=4)
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    at_moment = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=an_hour_ago)

    assert await read(observer, deliver_policy=DeliverPolicy.ALL) == [b"0", b"1", b"2", b"3", b"4"]
    assert await read(observer, config=at_number) == [b"3", b"4"]
    assert await read(observer, config=at_moment) == [b"0", b"1", b"2", b"3", b"4"]


async def test_an_observer_goes_on_where_it_had_stopped(world: tuple[Client, Client]) -> None:
    _, observer = world
    for expected in ([b"0", b"1"], [b"2", b"3"]):
        subscription = await observer.jetstream().pull_subscribe(FILTER, durable="observer", stream="EVENTS")
        messages = await subscription.fetch(2, timeout=5)
        for message in messages:
            await message.ack_sync()
        await subscription.unsubscribe()

        assert [message.data for message in messages] == expected


FORBIDDEN = (
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.notifier",  # takes what is meant for it
    "$JS.API.CONSUMER.CREATE.EVENTS.notifier",  # gives it another filter
    "$JS.API.CONSUMER.CREATE.EVENTS.notifier.penstock.event.>",
    "$JS.API.CONSUMER.CREATE.EVENTS.observer-two",
    "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.notifier",
    "$JS.API.CONSUMER.DELETE.EVENTS.notifier",
    "$JS.API.CONSUMER.PAUSE.EVENTS.notifier",
    "$JS.ACK.EVENTS.notifier.1.1.1.1.1",
    "$JS.API.CONSUMER.CREATE.NODES",
    "$JS.API.CONSUMER.CREATE.INBOX.observer",
    "$JS.API.CONSUMER.MSG.NEXT.NODES.observer",
    "$JS.API.STREAM.PURGE.EVENTS",
    "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.UPDATE.EVENTS",
    "$JS.API.STREAM.MSG.GET.LOGS",
    "$JS.API.STREAM.MSG.DELETE.EVENTS",
    "$JS.API.DIRECT.GET.RESULTS",
    "penstock.event.default.w.run.failed",
    "penstock.in.default.any",
)
CHEATS: tuple[tuple[str, str, dict[str, Any]], ...] = (  # subject, stream and name of the body
    ("EVENTS", "EVENTS", {"durable_name": "notifier"}),
    ("EVENTS", "EVENTS", {"name": "notifier"}),
    ("EVENTS", "NODES", {}),
    ("EVENTS.observer", "EVENTS", {"name": "notifier"}),
    ("EVENTS.observer", "EVENTS", {"durable_name": "notifier"}),
    ("EVENTS.observer", "NODES", {"name": "observer"}),
    ("EVENTS.observer." + FILTER, "EVENTS", {"name": "observer", "filter_subject": "penstock.in.>"}),
)


async def test_an_observer_may_not_touch_what_is_anothers(
    own_nats: Nats, world: tuple[Client, Client]
) -> None:
    refused: list[str] = []

    async def on_error(error: Exception) -> None:
        refused.append(str(error))

    observer = await connected(own_nats, "observer", on_error)
    for subject in FORBIDDEN:
        await observer.publish(subject, b"{}")
    async with asyncio.timeout(10):  # the client tells of refusals one after the other, in tasks of their own
        while _allowed(refused):
            await asyncio.sleep(0.01)
    await observer.close()


def _allowed(refused: list[str]) -> list[str]:
    return [subject for subject in FORBIDDEN if not any(f'"{subject.lower()}"' in each for each in refused)]


async def test_a_request_reaches_no_other_consumer_by_its_body(world: tuple[Client, Client]) -> None:
    orchestrator, observer = world
    before = (await orchestrator.jetstream().consumer_info("EVENTS", "notifier")).config
    for call, stream, config in CHEATS:
        body = {"stream_name": stream, "config": {"ack_policy": "explicit", **config}}
        await observer.request(f"$JS.API.CONSUMER.CREATE.{call}", json.dumps(body).encode(), timeout=5)

    manager = orchestrator.jetstream()
    infos = {name: await manager.stream_info(name) for name in ("EVENTS", "NODES")}
    assert {name: info.state.consumer_count for name, info in infos.items()} == {"EVENTS": 2, "NODES": 0}
    assert (await manager.consumer_info("EVENTS", "observer")).name == "observer"
    assert (await manager.consumer_info("EVENTS", "notifier")).config == before


def test_no_observer_is_called_like_the_notifiers_consumer() -> None:
    with pytest.raises(AssertionError):
        permissions.observer(user="notifier")
