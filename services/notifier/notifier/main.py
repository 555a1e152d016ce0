"""The composition root: chooses every implementation, opens the doors, closes them in order."""

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import httpx
import structlog
import uvicorn
import uvloop

from notifier.http.app import create_app
from notifier.readiness import Readiness
from notifier.settings import PREFIX, Settings
from notifier.store.database import LEDGER, MIGRATIONS, open_pool
from penstock.bus.connection import Bus, connect
from penstock.http.listening import listen
from penstock.http.server import http_server
from penstock.postgres.migrate import migrate
from penstock.postgres.pool import close_pool, reach_database, show_connections
from penstock.service import (
    calm_garbage_collection,
    end,
    read_settings,
    set_up_logging,
    tracing_of,
    until_told_to_stop,
    warn_of_unknown_settings,
)
from penstock.telemetry import metrics
from penstock.telemetry.exporters import NOTIFIER
from penstock.telemetry.target import tell_target
from penstock.telemetry.tracing import OFF, Tracing

DRAIN_S = 5.0  # how long a stopping notifier finishes what it has begun

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Parts:
    """The notifier, put together."""

    bus: Bus
    pool: asyncpg.Pool
    server: uvicorn.Server


def main() -> None:
    """Run until SIGTERM or SIGINT; exits 2 when a setting is wrong."""
    set_up_logging("notifier")
    warn_of_unknown_settings(Settings, dict(os.environ))
    settings = read_settings(Settings)
    with listen(host=settings.http_host, port=settings.http_port, prefix=PREFIX) as listener:
        tell_target(NOTIFIER, instance=f"{socket.gethostname()}:{listener.getsockname()[1]}")
        uvloop.run(serve(settings, listener))


async def serve(settings: Settings, listener: socket.socket) -> None:
    tracing = tracing_of("notifier")
    async with AsyncExitStack() as stack:
        stack.callback(tracing.close)
        parts = await compose(settings, stack, tracing)
        server = asyncio.create_task(parts.server.serve(sockets=[listener]))
        calm_garbage_collection()
        stop = asyncio.create_task(until_told_to_stop())
        log.info("notifier.started", host=settings.http_host, port=listener.getsockname()[1])
        ended, _ = await asyncio.wait([stop, server], return_when=asyncio.FIRST_COMPLETED)
        log.info("notifier.stopping")
        parts.server.should_exit = True
        await asyncio.wait([server], timeout=DRAIN_S)
        await end(server)
        for task in ended - {stop}:
            task.result()  # a loop that ended by itself ended by an error


async def compose(settings: Settings, stack: AsyncExitStack, tracing: Tracing = OFF) -> Parts:
    """Connect to everything and put the parts together; `stack` closes what was opened."""
    pool = await reach_database(open_pool(settings.database_url), setting=f"{PREFIX}DATABASE_URL")
    stack.push_async_callback(close_pool, pool, patience_s=DRAIN_S)
    async with pool.acquire() as connection:
        applied = await migrate(connection, MIGRATIONS, ledger=LEDGER)
    if applied:
        log.info("notifier.migrated", migrations=applied)
    bus = await stack.enter_async_context(
        connect(
            url=settings.nats_url,
            user=settings.nats_user,
            password=settings.nats_password,
            name="penstock-notifier",
        )
    )
    metrics.BUS_UP.set_function(lambda: bus.is_connected)
    show_connections(pool)
    orchestrator = await stack.enter_async_context(httpx.AsyncClient(base_url=settings.orchestrator_url))
    app = create_app(readiness=Readiness(bus, pool, orchestrator), tracing=tracing)
    return Parts(bus, pool, http_server(app, drain_s=DRAIN_S))
