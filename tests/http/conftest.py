"""The orchestrator's own composition on real servers, with its HTTP application called in the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from orchestrator.main import Parts, compose
from orchestrator.settings import Settings
from penstock.service import end
from penstock_cli.embedded.nats import Nats
from tests.http.builders import Rows, save


@asynccontextmanager
async def orchestrator(database: str, nats_server: Nats, folder: Path) -> AsyncIterator[Parts]:
    """The parts of one orchestrator, without the doors of the bus and the clock: engine and inbox are running."""
    login = nats_server.login("orchestrator")
    settings = Settings(
        database_url=database,
        nats_url=nats_server.url,
        nats_user=login.user,
        nats_password=login.password,
        artifacts_folder=folder / "artifacts",
    )
    async with AsyncExitStack() as stack:
        parts = await compose(settings, stack)
        loops = [asyncio.create_task(part.run()) for part in (parts.engine, parts.events_in.inbox)]
        yield parts
        await end(*loops)


@pytest.fixture
async def parts(database: str, nats_server: Nats, tmp_path: Path) -> AsyncIterator[Parts]:
    async with orchestrator(database, nats_server, tmp_path) as running:
        yield running


@pytest.fixture
async def app(parts: Parts) -> FastAPI:
    """The application with everything behind it: registry, reads, and an engine that is running."""
    application = parts.server.config.app
    assert isinstance(application, FastAPI)
    return application


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose answers are what a socket would carry, also after an internal error."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://penstock/api/v1") as client:
        yield client


@pytest.fixture
async def greet(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client of a Penstock that has the workflow `greet`."""
    assert (await save(api)).status_code == 201
    return api


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    """Writes rows as the engine would leave them, for states that need runners and time."""
    connection = await asyncpg.connect(database)
    yield Rows(connection)
    await connection.close()
