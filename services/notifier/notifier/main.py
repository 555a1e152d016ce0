"""The composition root: chooses every implementation, opens the doors, closes them in order."""

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog
import uvicorn
import uvloop

from notifier.alerts.inbox import Inbox
from notifier.alerts.room import alert_room
from notifier.alerts.source import Source
from notifier.alerts.sources import read_sources
from notifier.config import ALERTMANAGERS, SUBSCRIPTIONS, read_config
from notifier.database_up import LOOK_EVERY_S, DatabaseUp
from notifier.deliveries.document import DocumentReader
from notifier.deliveries.file import FileSubscription, read_section
from notifier.deliveries.room import Runs, delivery_room
from notifier.http.alertmanager import AlertmanagerDoor
from notifier.http.app import create_app
from notifier.readiness import Readiness
from notifier.settings import PREFIX, Settings
from notifier.store.actions import Actions
from notifier.store.alerts import Alerts
from notifier.store.database import LEDGER, MIGRATIONS, open_pool
from notifier.store.read_alerts import AlertReads
from penstock.bus.connection import Bus, connect
from penstock.bus.publisher import Publisher
from penstock.clock import Loop
from penstock.contracts.errors import InvalidInput
from penstock.definition.expressions import Expressions
from penstock.http.listening import listen
from penstock.http.server import http_server
from penstock.postgres.migrate import migrate
from penstock.postgres.pool import close_pool, reach_database, show_connections
from penstock.service import (
    EXIT_WRONG_SETTING,
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

    server: uvicorn.Server
    loops: tuple[Runs, ...]


@dataclass(frozen=True)
class Configuration:
    """What the configuration file says, checked."""

    sources: tuple[Source, ...]
    subscriptions: tuple[FileSubscription, ...]
    folder: Path  # where relative files in it are looked for


def main() -> None:
    """Run until SIGTERM or SIGINT; exits 2 when a setting is wrong."""
    set_up_logging("notifier")
    warn_of_unknown_settings(Settings, dict(os.environ))
    settings = read_settings(Settings)
    configuration = configured(settings)
    with listen(host=settings.http_host, port=settings.http_port, prefix=PREFIX) as listener:
        tell_target(NOTIFIER, instance=f"{socket.gethostname()}:{listener.getsockname()[1]}")
        uvloop.run(serve(settings, configuration, listener))


def configured(settings: Settings) -> Configuration:
    """Of the configuration file; one that is wrong ends the process with all that is wrong with it."""
    file = settings.config_file
    folder = file.parent if file is not None else Path()
    expressions = Expressions()
    try:
        document = read_config(file)
        sources = read_sources(document.get(ALERTMANAGERS), folder=folder)
        reader = DocumentReader(expressions)
        subscriptions = read_section(document.get(SUBSCRIPTIONS), reader, folder=folder)
    except InvalidInput as error:
        for problem in error.problems:
            print(f"{PREFIX}CONFIG_FILE: {file}: {problem.path}: {problem.message}", file=sys.stderr)
        raise SystemExit(EXIT_WRONG_SETTING) from None
    finally:
        expressions.close()
    return Configuration(sources, subscriptions, folder)


async def serve(settings: Settings, configuration: Configuration, listener: socket.socket) -> None:
    tracing = tracing_of("notifier")
    async with AsyncExitStack() as stack:
        stack.callback(tracing.close)
        parts = await compose(settings, configuration, stack, tracing)
        server = asyncio.create_task(parts.server.serve(sockets=[listener]))
        loops = [asyncio.create_task(_run(loop)) for loop in parts.loops]
        calm_garbage_collection()
        stop = asyncio.create_task(until_told_to_stop())
        log.info("notifier.started", host=settings.http_host, port=listener.getsockname()[1])
        ended, _ = await asyncio.wait([stop, server, *loops], return_when=asyncio.FIRST_COMPLETED)
        log.info("notifier.stopping")
        parts.server.should_exit = True
        await asyncio.wait([server], timeout=DRAIN_S)
        await end(server, *loops)
        for task in ended - {stop}:
            task.result()  # a loop that ended by itself ended by an error


async def _run(loop: Runs) -> None:
    await loop.run()


async def _connected(settings: Settings, stack: AsyncExitStack) -> Bus:
    login = {"user": settings.nats_user, "password": settings.nats_password}
    opening = connect(url=settings.nats_url, **login, name="penstock-notifier")
    bus = await stack.enter_async_context(opening)
    metrics.BUS_UP.set_function(lambda: bus.is_connected)
    return bus


async def compose(
    settings: Settings, configuration: Configuration, stack: AsyncExitStack, tracing: Tracing = OFF
) -> Parts:
    """Connect to everything and put the parts together; `stack` closes what was opened."""
    pool = await reach_database(open_pool(settings.database_url), setting=f"{PREFIX}DATABASE_URL")
    stack.push_async_callback(close_pool, pool, patience_s=DRAIN_S)
    async with pool.acquire() as connection:
        applied = await migrate(connection, MIGRATIONS, ledger=LEDGER)
    if applied:
        log.info("notifier.migrated", migrations=applied)
    bus = await _connected(settings, stack)
    show_connections(pool)
    publisher = Publisher(bus)
    await publisher.start()
    client = httpx.AsyncClient(base_url=settings.orchestrator_url, trust_env=False)
    orchestrator = await stack.enter_async_context(client)
    alerts = alert_room(
        alerts=Alerts(pool),
        actions=Actions(pool),
        publisher=publisher,
        inbox=Inbox(bus),
        orchestrator=orchestrator,
    )
    alertmanager = AlertmanagerDoor(configuration.sources, alerts.intake, AlertReads(pool))
    expressions = Expressions()
    stack.callback(expressions.close)
    deliveries = await delivery_room(
        bus=bus,
        pool=pool,
        expressions=expressions,
        networks=settings.networks,
        subscriptions=configuration.subscriptions,
        folder=configuration.folder,
        stack=stack,
        tracing=tracing,
    )
    readiness = Readiness(bus, pool, orchestrator)
    app = create_app(
        readiness=readiness, alertmanager=alertmanager, deliveries=deliveries.control, tracing=tracing
    )
    database_up = DatabaseUp(pool)
    await database_up()
    loops = (*alerts.loops, *deliveries.loops, Loop(database_up, every_s=LOOK_EVERY_S))
    return Parts(http_server(app, drain_s=DRAIN_S), loops)
