"""Alerts become events: the orchestrator takes each once, and none is too large for it."""

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from notifier.alerts.event import CUT, DATA_BYTES_MAX, Told, fit, message_of
from notifier.main import Parts
from notifier.store.alerts import Alerts
from orchestrator.bus.inbox import InboxDoor
from orchestrator.engine.cloud_events import read_event
from orchestrator.engine.inbox import Inbox
from orchestrator.engine.registry import RunnerRegistry
from penstock.contracts.wire import encode
from penstock.service import end
from penstock_cli.embedded.nats import Nats
from tests.alerts.builders import alert, payload, resolved
from tests.engine.conftest import open_world

NINE = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
TOLD = Told(
    id=1,
    key="ab" * 32,
    project="shop",
    source="production",
    name="LlmDown",
    status="firing",
    fingerprint="f",
    starts_at=NINE,
    ends_at=None,
    labels={"alertname": "LlmDown"},
    annotations={},
    generator_url="",
    group_key="g",
    receiver="r",
    external_url="",
    group_labels={},
    common_labels={},
    common_annotations={},
)


def test_an_event_is_one_that_the_orchestrator_takes() -> None:
    subject, message = message_of(TOLD)

    event = read_event("shop", message)
    assert subject == "penstock.in.shop.penstock.alert.firing"
    assert (event.type, event.source) == ("penstock.alert.firing", "/alertmanagers/production")
    assert (event.id, event.subject, event.time) == (TOLD.key, "LlmDown", NINE)
    data = msgspec.json.decode(event.data)
    assert set(data) == {
        *("status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint", "groupKey"),
        *("receiver", "externalURL", "groupLabels", "commonLabels", "commonAnnotations"),
    }
    assert (data["startsAt"], data["endsAt"]) == ("2026-11-21T09:30:00Z", "0001-01-01T00:00:00Z")


@pytest.mark.parametrize("name", ["", "a\nb\x7f", "ü" * 3_000, "\ufffd"])
def test_no_name_of_an_alert_makes_an_event_that_is_refused(name: str) -> None:
    read_event("shop", message_of(msgspec.structs.replace(TOLD, name=name))[1])


def test_what_is_small_enough_stays_as_it_is() -> None:
    data = {"annotations": {"text": "x" * 200_000}, "labels": {}}

    assert fit(data) is data


def test_long_annotations_are_cut_with_a_mark_and_labels_stay() -> None:
    told = msgspec.structs.replace(
        TOLD, annotations={"text": "ä" * 300_000, "summary": "short"}, labels={"alertname": "x" * 5_000}
    )

    data = msgspec.json.decode(read_event("shop", message_of(told)[1]).data)

    assert data["annotations"]["text"].endswith(CUT)
    assert data["annotations"]["summary"] == "short"
    assert data["labels"] == told.labels


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_long_fits_in_the_end(seed: int) -> None:
    chance = random.Random(seed)

    def text() -> str:
        return chance.choice("x\u0001🚰") * chance.choice((1, 100, 50_000))

    def labels() -> dict[str, str]:
        count = chance.choice((1, 50, 2_000))
        return {"zone": "z"} | {f"{number}{text()[:200]}": text()[:200] for number in range(count)}

    maps = {name: labels() for name in ("annotations", "commonAnnotations", "groupLabels", "commonLabels")}
    data: dict[str, Any] = {"groupKey": text(), **maps, "labels": {**labels(), "alertname": "A"}}

    small = fit(data)

    assert len(encode(small)) <= DATA_BYTES_MAX
    assert small["labels"]["alertname"] == "A"


@pytest.fixture
def nats_server(own_nats: Nats) -> Nats:
    """A bus of the test's own: nobody else's alerts are on it."""
    return own_nats


@asynccontextmanager
async def taking_events(database: str, nats: Nats) -> AsyncIterator[None]:
    """The part of an orchestrator that takes events off the bus."""
    async with open_world(database, nats) as world:
        inbox = Inbox(world.pool)
        door = InboxDoor(world.bus, inbox, RunnerRegistry(world.pool))
        await door.declare()
        loops = [asyncio.create_task(loop) for loop in (inbox.run(), door.run())]
        yield
        await end(loops[1])
        await end(loops[0])


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    loops = [asyncio.create_task(loop.run()) for loop in parts.loops]
    yield
    await end(*loops)


async def test_the_orchestrator_takes_each_alert_once(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool, database: str, own_nats: Nats
) -> None:
    async with taking_events(database, own_nats), running(parts):
        for sent in (alert(), alert(), resolved(), alert()):
            assert (await api.post("/alertmanager", json=payload(sent))).status_code == 200
        await until(pool, PUBLISHED)
        await pool.execute(
            "update alert set published_at = null, publish_at = now()"
        )  # died before it noted that
        await until(pool, PUBLISHED)
        await until(pool, "select count(*) >= 2 from public.inbound_event")

    events = await pool.fetch("select * from public.inbound_event order by type")
    assert [event["type"] for event in events] == ["penstock.alert.firing", "penstock.alert.resolved"]
    assert {event["project"] for event in events} == {"shop"}
    assert events[1]["time"] == datetime(2026, 11, 21, 9, 35, tzinfo=UTC)
    assert json.loads(events[0]["data"])["labels"]["alertname"] == "LlmDown"
    listed = (await api.get("/alerts")).json()["items"]
    assert {event["id"] for event in events} == {each["id"] for each in listed}
    assert await pool.fetchval("select count(*) from public.dead_letter") == 0


async def test_alerts_wait_for_the_bus_and_for_their_stream(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool, database: str, own_nats: Nats
) -> None:
    own_nats.stop()
    async with running(parts):
        await api.post("/alertmanager", json=payload(alert("WhileAway")))
        await until(pool, "select publish_at > now() from alert")  # it was tried
        own_nats.start()
        async with taking_events(database, own_nats):
            await pool.execute("update alert set publish_at = now()")
            await until(pool, PUBLISHED)
            await until(pool, "select count(*) = 1 from public.inbound_event")


async def test_what_the_bus_has_lost_is_published_again(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool, database: str, own_nats: Nats
) -> None:
    """It had acknowledged the alert, and no orchestrator had taken it yet."""
    async with running(parts):
        async with open_world(database, own_nats) as world:
            await InboxDoor(world.bus, Inbox(world.pool), RunnerRegistry(world.pool)).declare()
            await api.post("/alertmanager", json=payload(alert("Lost")))
            await until(pool, PUBLISHED)
        own_nats.kill()
        shutil.rmtree(own_nats.store)
        own_nats.start()

        async with taking_events(database, own_nats):
            await until(pool, "select count(*) = 1 from public.inbound_event")
            await until(pool, PUBLISHED)


async def test_an_alert_of_an_older_inbox_is_not_taken_for_published(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    """The bus was lost between its acknowledgement and our note of it."""
    store, hour = Alerts(pool), timedelta(hours=1)
    await store.see_inbox("first", age_max=hour)
    await api.post("/alertmanager", json=payload(alert()))
    (told,) = await store.claim_unpublished(limit=9, lease=timedelta(0))
    await store.see_inbox("second", age_max=hour)

    await store.mark_published([told.id], inbox="first")

    (again,) = await store.claim_unpublished(limit=9, lease=timedelta(0))
    await store.mark_published([again.id], inbox="second")
    assert await store.see_inbox("second", age_max=hour) == 0
    assert await store.see_inbox("third", age_max=hour) == 1


async def test_the_webhook_s_trace_goes_on_in_the_event(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await api.post("/alertmanager", json=payload(alert("A")), headers={"traceparent": TRACE})
    await api.post("/alertmanager", json=payload(alert("B")), headers={"traceparent": "nonsense"})

    told = await Alerts(pool).claim_unpublished(limit=9, lease=timedelta(0))

    events = {each.name: msgspec.json.decode(message_of(each)[1]) for each in told}
    assert (events["A"]["traceparent"], "traceparent" in events["B"]) == (TRACE, False)
    read_event("shop", message_of(told[0])[1])


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PUBLISHED = "select bool_and(published_at is not null) from alert"


async def until(pool: asyncpg.Pool, question: str) -> None:
    async with asyncio.timeout(20):
        while not await pool.fetchval(question):
            await asyncio.sleep(0.02)
