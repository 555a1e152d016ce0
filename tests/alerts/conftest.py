"""A notifier on real servers, its HTTP application called in the process, and a real orchestrator beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import httpx
import pytest
import yaml
from fastapi import FastAPI

from notifier.main import Parts, compose, configured
from notifier.settings import Settings
from notifier.store.database import open_pool
from orchestrator.main import compose as compose_orchestrator
from orchestrator.settings import Settings as OrchestratorSettings
from penstock.service import end
from penstock_cli.embedded.nats import Nats
from tests.alerts.builders import CONFIG, bearer


@pytest.fixture
async def settings(database: str, nats_server: Nats, tmp_path: Path) -> Settings:
    """Of a notifier whose orchestrator is away."""
    login = nats_server.login("notifier")
    file = tmp_path / "notifier.yaml"
    file.write_text(yaml.safe_dump(CONFIG))
    return Settings(
        database_url=database,
        nats_url=nats_server.url,
        nats_user=login.user,
        nats_password=login.password,
        orchestrator_url="http://127.0.0.1:9",
        config_file=file,
    )


@pytest.fixture
async def parts(settings: Settings) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        yield await compose(settings, configured(settings), stack)


@pytest.fixture
async def api(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """What Alertmanager `production` would send with; the answers are what a socket would carry."""
    application = parts.server.config.app
    assert isinstance(application, FastAPI)
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://notifier/api/v1", headers=bearer()
    ) as client:
        yield client


@pytest.fixture
async def pool(parts: Parts, database: str) -> AsyncIterator[asyncpg.Pool]:
    """To look at what is stored, and to move timers."""
    pool = await open_pool(database)
    yield pool
    await pool.close()


@pytest.fixture
async def orchestrator(database: str, nats_server: Nats, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a real orchestrator on the same servers."""
    login = nats_server.login("orchestrator")
    settings = OrchestratorSettings(
        database_url=database,
        nats_url=nats_server.url,
        nats_user=login.user,
        nats_password=login.password,
        artifacts_folder=tmp_path / "artifacts",
    )
    async with AsyncExitStack() as stack:
        parts = await compose_orchestrator(settings, stack)
        engine = asyncio.create_task(parts.engine.run())
        transport = httpx.ASGITransport(app=parts.server.config.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://orchestrator") as client:
            yield client
        await end(engine)
