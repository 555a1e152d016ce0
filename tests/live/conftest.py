"""Orchestrators on real servers, in this process, with a socket each; and viewers as other programs are."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from orchestrator.main import Parts, compose
from orchestrator.settings import Settings
from penstock.contracts.wire import decode
from penstock.http.listening import listen
from penstock.service import end
from penstock_cli.embedded.nats import Nats
from penstock_cli.embedded.ports import free_port
from tests.http.builders import save
from tests.servers import NATS_USERS

Json = Any


@dataclass
class Orchestrator:
    """One that runs, with its public API. Each test has a project of its own."""

    parts: Parts
    api: httpx.AsyncClient
    url: str
    project: str
    _sockets: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def watch(self, path: str, *, project: str | None = None, **options: Any) -> ClientConnection:
        """A viewer of `path`; it leaves with the test."""
        headers = {"x-penstock-project": project or self.project}
        options.setdefault(
            "max_queue", None
        )  # else a viewer that leaves with much unread waits for its goodbye
        opening = websockets.connect(f"{self.url}{path}", additional_headers=headers, **options)
        return await self._sockets.enter_async_context(opening)

    async def start(self) -> Json:
        body = {"workflow": "greet", "input": {"name": "Ada"}}
        return (await self.api.post("/runs", json=body)).json()

    async def cancel(self, run: str) -> None:
        assert (await self.api.post(f"/runs/{run}/cancel", json={"reason": "enough"})).is_success

    async def run_and_end(self) -> str:
        run = (await self.start())["id"]
        await self.cancel(run)
        return str(run)

    def stop(self) -> None:
        self.parts.server.should_exit = True


Begin = Callable[[], Any]


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A bus of these tests' own: their runs have no runner, and would leave offers to others' tests."""
    folder = tmp_path_factory.mktemp("nats-live")
    server = Nats(folder=folder, log=folder / "nats.log", port=free_port(), users=NATS_USERS)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def begin(database: str, nats_server: Nats) -> AsyncIterator[Begin]:
    """Starts one more orchestrator on the same database and bus."""
    async with AsyncExitStack() as stack:
        project = f"p{uuid4().hex[:12]}"

        async def begin_one() -> Orchestrator:
            opened = orchestrator_on(database, nats_server, project=project)
            return await stack.enter_async_context(opened)

        yield begin_one


@pytest.fixture
async def orchestrator(begin: Begin) -> Orchestrator:
    """One that knows the workflow `greet`."""
    one: Orchestrator = await begin()
    assert (await save(one.api)).status_code == 201
    return one


@asynccontextmanager
async def orchestrator_on(database: str, nats: Nats, *, project: str) -> AsyncIterator[Orchestrator]:
    login = nats.login("orchestrator")
    async with AsyncExitStack() as stack:
        settings = Settings(
            database_url=database,
            nats_url=nats.url,
            nats_user=login.user,
            nats_password=login.password,
            artifacts_folder=Path(stack.enter_context(tempfile.TemporaryDirectory())),
        )
        parts = await compose(settings, stack)
        listener: socket.socket = stack.enter_context(listen(host="127.0.0.1", port=0, prefix=""))
        loops = [asyncio.create_task(part.run()) for part in (parts.engine, parts.events_in.inbox)]
        server = asyncio.create_task(parts.server.serve(sockets=[listener]))
        address = f"127.0.0.1:{listener.getsockname()[1]}/api/v1"
        client = httpx.AsyncClient(
            base_url=f"http://{address}", headers={"x-penstock-project": project}, timeout=30
        )
        api = await stack.enter_async_context(client)
        orchestrator = Orchestrator(parts, api, f"ws://{address}", project)
        async with orchestrator._sockets:
            yield orchestrator
        parts.server.should_exit = True
        await server
        await end(*loops)


async def received(viewer: ClientConnection, count: int | None = None) -> list[Json]:
    """The next `count` events, or all until the end."""
    events: list[Json] = []
    async with asyncio.timeout(20):
        try:
            while count is None or len(events) < count:
                events.append(decode((await viewer.recv(decode=False)), dict))
        except websockets.ConnectionClosed:
            if count is not None:
                raise
    return events


def seqs(events: list[Json]) -> list[int]:
    return [int(event["id"].rpartition("/")[2]) for event in events]
