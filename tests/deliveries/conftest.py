"""A notifier on real servers, its HTTP application called in the process, and targets on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from notifier.main import compose, configured
from notifier.settings import Settings
from notifier.store.database import open_pool
from orchestrator.bus.for_notifier import NotifierConsumer
from penstock.bus.connection import Bus, connect
from penstock.bus.publisher import Publisher
from penstock.contracts import subjects
from penstock.contracts.timeline import CloudEvent
from penstock.contracts.wire import encode
from penstock.service import end
from penstock_cli.embedded.nats import Nats
from tests.deliveries.targets import Target
from tests.servers import TESTER

Json = Any
WAIT_S = 10.0
LOCAL = (ip_network("127.0.0.0/8"),)


@dataclass(frozen=True)
class Notifier:
    """A running notifier: its API, its rows, and the bus that it hears."""

    api: httpx.AsyncClient
    rows: asyncpg.Pool
    bus: Bus
    publisher: Publisher

    async def subscribe(self, name: str, document: Json) -> Json:
        answer = await self.api.put(f"/subscriptions/{name}", json=document)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def publish(self, *events: CloudEvent) -> None:
        await self.publisher.publish([(_subject(event), encode(event)) for event in events])

    async def get(self, path: str, **params: Json) -> Json:
        answer = await self.api.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def deliveries(self, count: int, **filters: Json) -> list[Json]:
        """The deliveries with these properties, once there are so many."""
        found: list[Json] = []

        async def enough() -> bool:
            found[:] = (await self.get("/deliveries", **filters))["items"]
            return len(found) >= count

        await until(enough)
        return found

    async def make_due(self) -> None:
        """Whatever waits for its moment is due: retries, and what a killed notifier had claimed."""
        await self.rows.execute("update delivery set due_at = now() where state = 'waiting'")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await holds():
            await asyncio.sleep(0.02)


async def nothing() -> None:
    """Nothing to publish again: there is no orchestrator with timelines here."""


def _subject(event: CloudEvent) -> str:
    _, _, project, _, workflow = event.source.split("/")
    return subjects.event(project, workflow, event.type.removeprefix("penstock."))


@pytest.fixture
async def settings(database: str, nats_server: Nats) -> Settings:
    login = nats_server.login("notifier")
    return Settings(
        database_url=database,
        nats_url=nats_server.url,
        nats_user=login.user,
        nats_password=login.password,
        orchestrator_url="http://127.0.0.1:9",
        networks=LOCAL,
    )


@pytest.fixture
async def tester(nats_server: Nats) -> AsyncIterator[Bus]:
    """Who may do everything on the bus, and has declared what an orchestrator declares."""
    login = nats_server.login(TESTER)
    async with connect(url=nats_server.url, user=login.user, password=login.password, name="test") as bus:
        await NotifierConsumer(bus, nothing)()
        yield bus


@asynccontextmanager
async def running(settings: Settings, tester: Bus) -> AsyncIterator[Notifier]:
    async with AsyncExitStack() as stack:
        configuration = configured(settings)
        parts = await compose(settings, configuration, stack)
        loops = [asyncio.create_task(loop.run()) for loop in parts.loops]
        application = parts.server.config.app
        assert isinstance(application, FastAPI)
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://notifier/api/v1")
        rows = await open_pool(settings.database_url)
        publisher = Publisher(tester)
        await publisher.start()
        yield Notifier(client, rows, tester, publisher)
        await end(*loops)
        await rows.close()


@pytest.fixture
async def notifier(settings: Settings, tester: Bus) -> AsyncIterator[Notifier]:
    async with running(settings, tester) as started:
        yield started


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with Target() as started:
        yield started


@pytest.fixture
def config(tmp_path: Path, settings: Settings) -> Callable[[str], Settings]:
    """Settings with a configuration file of this text."""

    def write(text: str) -> Settings:
        (tmp_path / "notifier.yaml").write_text(text)
        return settings.model_copy(update={"config_file": tmp_path / "notifier.yaml"})

    return write
