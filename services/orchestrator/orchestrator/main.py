"""The composition root: chooses every implementation, starts the doors, stops them in order."""

from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
import uvloop

from orchestrator.engine.engine import RunEngine
from orchestrator.engine.registry import RunnerRegistry
from orchestrator.engine.relay import Relay
from orchestrator.http.app import HttpSettings, create_app
from orchestrator.readiness import Readiness
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactFolder
from orchestrator.store.database import open_database, open_pool
from orchestrator.store.migrate import migrate
from orchestrator.store.reads import Reads
from orchestrator.store.registry import WorkflowRegistry
from penstock.bus.connection import connect
from penstock.bus.publisher import Publisher
from penstock.bus.streams import declare_streams
from penstock.definition.expressions import Expressions
from penstock.service import read_settings, set_up_logging

log = structlog.get_logger(__name__)


def main() -> None:
    """Run until SIGTERM or SIGINT; exits 2 when a setting is wrong."""
    set_up_logging("orchestrator")
    settings = read_settings(Settings)
    uvloop.run(serve(settings))


async def serve(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url)
        stack.push_async_callback(pool.close)
        async with pool.acquire() as connection:
            await migrate(connection)
        bus = await stack.enter_async_context(
            connect(
                url=settings.nats_url,
                user=settings.nats_user,
                password=settings.nats_password,
                name="penstock-orchestrator",
            )
        )
        await declare_streams(bus.client.jetstream())
        publisher = Publisher(bus)
        await publisher.start()
        lease = timedelta(seconds=settings.lease_s)
        relay = Relay(bus, publisher, pool)
        engine = RunEngine(pool, relay, Expressions().evaluate, lease=lease)
        runners = RunnerRegistry(pool)
        database = open_database(settings.database_url)
        stack.push_async_callback(database.dispose)
        workflows = WorkflowRegistry(database)
        app = create_app(
            engine=engine,
            queries=Reads(database, workflows),
            registry=workflows,
            artifacts=ArtifactFolder(settings.artifacts_folder, database),
            readiness=Readiness(bus, pool),
            settings=HttpSettings(),
        )
        ...
