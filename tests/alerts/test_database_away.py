"""The database is really away, stopped or frozen: nothing hangs, nothing is a 500, all is well when it is back."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from notifier.database_up import DatabaseUp
from notifier.main import compose, configured
from notifier.settings import Settings
from notifier.store import alerts as store
from notifier.store.database import open_pool
from penstock_cli.embedded.postgres import Postgres, processes_on
from tests.alerts.builders import alert, bearer, payload

READS = ("/subscriptions", "/subscriptions/one", "/deliveries", "/alerts", "/alert-actions")
DOCUMENT = {"events": ["run.failed"], "channel": {"webhook": {"url": "https://example.org"}}}


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(folder=tmp_path / "postgres", log=tmp_path / "postgres.log", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def api(own_postgres: Postgres, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    here = settings.model_copy(update={"database_url": own_postgres.url()})
    async with AsyncExitStack() as stack:
        parts = await compose(here, configured(here), stack)
        transport = httpx.ASGITransport(app=parts.server.config.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://notifier/api/v1", headers=bearer())
        yield await stack.enter_async_context(client)


def _freeze(server: Postgres, which: signal.Signals) -> None:
    """The postmaster and every backend that there is."""
    for pid in (server.pid, *_backends(server)):
        assert pid is not None
        os.kill(pid, which)


def _backends(server: Postgres) -> list[int]:
    return [pid for pid in processes_on(server.data) if pid != server.pid]


async def test_a_stopped_database_is_a_503_everywhere_and_all_is_well_when_it_is_back(
    api: httpx.AsyncClient, own_postgres: Postgres
) -> None:
    await api.post("/alertmanager", json=payload(alert("A")))
    own_postgres.kill()

    taken = [await api.post("/alertmanager", json=payload(alert("B"))) for _ in range(3)]
    read = [await api.get(path) for path in READS]
    put = await api.put("/subscriptions/one", json=DOCUMENT)

    assert [answer.status_code for answer in (*taken, *read, put)] == [503] * 9
    assert taken[0].headers["retry-after"] == "2"
    own_postgres.start()
    assert (await api.post("/alertmanager", json=payload(alert("B")))).json() == {"stored": 1, "repeated": 0}
    assert (await api.put("/subscriptions/one", json=DOCUMENT)).status_code == 201


async def test_a_database_that_hangs_holds_no_webhook_for_long(
    api: httpx.AsyncClient, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not those that wait for their turn behind the first, and none is in flight any more afterwards."""
    monkeypatch.setattr(store, "TAKE_S", 0.3)
    await api.post("/alertmanager", json=payload(alert("A")))
    _freeze(own_postgres, signal.SIGSTOP)
    began = time.monotonic()
    try:
        sent = [api.post("/alertmanager", json=payload(alert(f"B{number}"))) for number in range(8)]
        answers = await asyncio.wait_for(asyncio.gather(*sent), 5)
    finally:
        _freeze(own_postgres, signal.SIGCONT)

    assert {answer.status_code for answer in answers} == {503}
    assert time.monotonic() - began < 2
    monkeypatch.undo()
    assert (await api.post("/alertmanager", json=payload(alert("B0")))).status_code == 200


async def test_the_metrics_tell_of_a_database_that_is_away(
    api: httpx.AsyncClient, own_postgres: Postgres
) -> None:
    pool = await open_pool(own_postgres.url())
    look = DatabaseUp(pool)
    await look()
    up = [REGISTRY.get_sample_value("penstock_database_up")]
    own_postgres.kill()

    await look()
    up.append(REGISTRY.get_sample_value("penstock_database_up"))
    await api.post("/alertmanager", json=payload(alert()))

    own_postgres.start()
    async with asyncio.timeout(10):  # a connection of before may still have to hear of its end
        while REGISTRY.get_sample_value("penstock_database_up") == 0:
            await look()
    up.append(REGISTRY.get_sample_value("penstock_database_up"))
    await pool.close()
    assert up == [1, 0, 1]
    took = {"operation": "Alerts.take"}
    assert (REGISTRY.get_sample_value("penstock_database_operation_seconds_count", took) or 0) > 0
    assert (REGISTRY.get_sample_value("penstock_database_errors_total", took) or 0) > 0
