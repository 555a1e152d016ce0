"""The composition root: chooses every implementation, opens the doors, closes them in order."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog
import uvicorn
import uvloop

from orchestrator.bus.control import ControlDoor
from orchestrator.bus.for_notifier import DECLARE_EVERY_S, NotifierConsumer
from orchestrator.bus.inbox import InboxDoor
from orchestrator.bus.logs import LogsDoor
from orchestrator.bus.requests import Requests
from orchestrator.bus.results import ResultsDoor
from orchestrator.bus.rpc import RpcDoor
from orchestrator.clock import FORGET_EVERY_S, RETENTION_EVERY_S, run_clock
from orchestrator.engine.engine import RunEngine
from orchestrator.engine.feed import Feed
from orchestrator.engine.inbox import Inbox, Offers
from orchestrator.engine.live import LOOK_EVERY_S, LiveViews
from orchestrator.engine.matching import Looks, Matching
from orchestrator.engine.places import Places
from orchestrator.engine.registry import RunnerRegistry
from orchestrator.engine.relay import Relay
from orchestrator.engine.replay import Replay
from orchestrator.engine.retention import Retention
from orchestrator.engine.schedule_control import ScheduleControl
from orchestrator.engine.schedules import ScheduleSweep
from orchestrator.engine.span_contexts import SpanContexts
from orchestrator.engine.start_rate import StartRate
from orchestrator.engine.sweep import Sweep
from orchestrator.engine.ticks import TickRuns
from orchestrator.engine.triggering import Triggering
from orchestrator.http.app import HttpSettings, create_app
from orchestrator.readiness import Readiness
from orchestrator.settings import PREFIX, Settings
from orchestrator.store.artifacts import ArtifactFolder
from orchestrator.store.composed import Database, open_database
from orchestrator.store.database import MIGRATIONS, open_pool
from orchestrator.store.limits import LimitTable
from orchestrator.store.read_inbound import InboundReads
from orchestrator.store.reads import Reads
from orchestrator.store.registry import WorkflowRegistry
from penstock.bus.connection import Bus, connect
from penstock.bus.history import History
from penstock.bus.publisher import Publisher
from penstock.bus.streams import declare_streams
from penstock.contracts.limits import LIVE_MESSAGE_BYTES_MAX
from penstock.contracts.subjects import STREAM_EVENTS
from penstock.definition.expressions import Expressions
from penstock.http.listening import listen
from penstock.http.server import http_server
from penstock.postgres.migrate import migrate
from penstock.postgres.pool import close_pool, reach_database
from penstock.service import (
    allow_many_connections,
    calm_garbage_collection,
    end,
    read_settings,
    set_up_logging,
    tracing_of,
    until_told_to_stop,
    warn_of_unknown_settings,
)
from penstock.telemetry.tracing import OFF, Tracing

DRAIN_S = 5.0  # how long a stopping orchestrator finishes what it has begun

Task = Callable[[], Awaitable[None]]  # of a clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class EventsIn:
    """What takes events from outside, and what they trigger."""

    inbox: Inbox
    triggering: Triggering

    @property
    def sweeps(self) -> tuple[Task, ...]:
        return self.inbox.repeat, self.triggering.start_due


@dataclass(frozen=True)
class Parts:
    """The orchestrator, put together."""

    bus: Bus
    engine: RunEngine
    relay: Relay
    sweep: Sweep
    retention: Retention
    schedules: ScheduleSweep
    events_in: EventsIn
    requests: Requests
    control: ControlDoor
    registry: RunnerRegistry
    live: LiveViews
    server: uvicorn.Server


def main() -> None:
    """Run until SIGTERM or SIGINT; exits 2 when a setting is wrong."""
    set_up_logging("orchestrator")
    allow_many_connections()
    warn_of_unknown_settings(Settings, dict(os.environ))
    settings = read_settings(Settings)
    with listen(host=settings.http_host, port=settings.http_port, prefix=PREFIX) as listener:
        uvloop.run(serve(settings, listener))


async def serve(settings: Settings, listener: socket.socket) -> None:
    tracing = tracing_of("orchestrator")
    async with AsyncExitStack() as stack:
        stack.callback(tracing.close)
        parts = await compose(settings, stack, tracing)
        engine = asyncio.create_task(parts.engine.run())
        inbox = asyncio.create_task(parts.events_in.inbox.run())
        doors = await _open_doors(parts, settings, listener)
        calm_garbage_collection()
        stop = asyncio.create_task(until_told_to_stop())
        log.info("orchestrator.started", host=settings.http_host, port=listener.getsockname()[1])
        ended, _ = await asyncio.wait([engine, inbox, stop, *doors], return_when=asyncio.FIRST_COMPLETED)
        log.info("orchestrator.stopping")
        await _close_doors(parts, doors)
        await end(inbox)  # what it has kept and not offered, another's sweep offers
        await _drain(parts, engine)
        for task in ended - {stop}:
            task.result()  # a loop that ended by itself ended by an error


async def compose(settings: Settings, stack: AsyncExitStack, tracing: Tracing = OFF) -> Parts:
    """Connect to everything and put the parts together; `stack` closes what was opened."""
    pool = await reach_database(open_pool(settings.database_url), setting=f"{PREFIX}DATABASE_URL")
    stack.push_async_callback(close_pool, pool, patience_s=DRAIN_S)
    async with pool.acquire() as connection:
        applied = await migrate(connection, MIGRATIONS)
    if applied:
        log.info("orchestrator.migrated", migrations=applied)
    bus = await _reach_bus(settings, stack)
    publisher = Publisher(bus)
    await publisher.start()
    contexts = SpanContexts(tracing)
    relay = Relay(bus, publisher, pool, contexts)
    expressions = Expressions()
    stack.callback(expressions.close)
    database = open_database(settings.database_url)
    stack.push_async_callback(database.dispose)
    workflows = WorkflowRegistry(database)
    engine = RunEngine(
        pool,
        relay,
        expressions.evaluate,
        lease=timedelta(seconds=settings.lease_s),
        find_events=Looks(pool),
        check_input=workflows.check_input,
    )
    registry = RunnerRegistry(pool)
    sweep = Sweep(pool, engine, relay, lease_s=settings.lease_s, bus_is_up=lambda: bus.is_connected)
    artifacts = ArtifactFolder(settings.artifacts_folder, database)
    retention = Retention(pool, artifacts, default=timedelta(days=settings.retention_days))
    await retention.make_room()
    ticks = TickRuns(pool, engine, workflows, expressions.evaluate)
    schedules = ScheduleControl(database, pool, workflows, ticks)
    rate = StartRate(engine.capacity, per_second=settings.starts_per_second)
    live = LiveViews(pool, Feed(bus), History(bus, stream=STREAM_EVENTS), Places(), contexts)
    triggering = Triggering(pool, engine, workflows, expressions.evaluate, rate)
    inbox = Inbox(pool, Offers(Matching(pool, engine.handle), triggering))
    readiness = Readiness(bus, pool)
    server = _http_server(
        database, workflows, engine, schedules, inbox, artifacts, retention, readiness, rate, live, tracing
    )
    requests = Requests(bus, registry)
    control = ControlDoor(bus, requests, registry)
    firing = ScheduleSweep(pool, engine, ticks)
    events_in = EventsIn(inbox, triggering)
    return Parts(
        bus, engine, relay, sweep, retention, firing, events_in, requests, control, registry, live, server
    )


async def _reach_bus(settings: Settings, stack: AsyncExitStack) -> Bus:
    """The bus, with every stream declared."""
    connecting = connect(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name="penstock-orchestrator",
    )
    bus = await stack.enter_async_context(connecting)
    await declare_streams(bus.client.jetstream())
    return bus


def _http_server(
    database: Database,
    workflows: WorkflowRegistry,
    engine: RunEngine,
    schedules: ScheduleControl,
    inbox: Inbox,
    artifacts: ArtifactFolder,
    retention: Retention,
    readiness: Readiness,
    rate: StartRate,
    live: LiveViews,
    tracing: Tracing,
) -> uvicorn.Server:
    app = create_app(
        engine=engine,
        queries=Reads(database, workflows),
        registry=workflows,
        schedules=schedules,
        artifacts=artifacts,
        keeping=retention,
        breakers=engine.breakers,
        pauses=engine.pauses,
        inbox=inbox,
        inbound=InboundReads(database),
        readiness=readiness,
        limits=LimitTable(database, on_change=engine.dispatcher.look_again),
        start_rate=rate,
        live=live,
        settings=HttpSettings(),
        tracing=tracing,
    )
    return http_server(app, drain_s=DRAIN_S, message_bytes_max=LIVE_MESSAGE_BYTES_MAX)


async def _open_doors(parts: Parts, settings: Settings, listener: socket.socket) -> list[asyncio.Task[None]]:
    results = ResultsDoor(parts.bus, parts.engine, parts.registry)
    logs = LogsDoor(parts.bus, parts.registry)
    await results.declare()
    inbox = InboxDoor(parts.bus, parts.events_in.inbox, parts.registry)
    await logs.declare()
    await inbox.declare()
    for_notifier = NotifierConsumer(parts.bus, Replay(parts.relay.pool, parts.relay.publisher))
    await for_notifier.declare()
    await RpcDoor(parts.requests, parts.engine).open()
    await parts.control.open()
    sweeps: tuple[Task, ...] = (parts.sweep, parts.schedules, *parts.events_in.sweeps)
    clocks = [run_clock(sweep, every_s=settings.sweep_every_s) for sweep in sweeps]
    clocks.append(run_clock(for_notifier, every_s=DECLARE_EVERY_S))
    clocks.append(run_clock(parts.events_in.inbox.forget, every_s=FORGET_EVERY_S))
    clocks.append(run_clock(parts.retention, every_s=RETENTION_EVERY_S))
    clocks.append(run_clock(parts.live.look_for_laggards, every_s=LOOK_EVERY_S))
    http = parts.server.serve(sockets=[listener])
    return [asyncio.create_task(door) for door in (results.run(), logs.run(), inbox.run(), *clocks, http)]


async def _close_doors(parts: Parts, doors: list[asyncio.Task[None]]) -> None:
    """HTTP finishes its requests, the bus is left to the other orchestrators; pull loops and clock stop."""
    *loops, server = doors
    parts.server.should_exit = True
    closing = [asyncio.create_task(door.close()) for door in (parts.requests, parts.control)]
    await end(*loops)
    await asyncio.wait([server, *closing], timeout=DRAIN_S)


async def _drain(parts: Parts, engine: asyncio.Task[None]) -> None:
    """What was committed goes out and is noted, as far as time allows; the next orchestrator does the rest."""
    with suppress(TimeoutError):
        await asyncio.wait_for(parts.relay.drain(), DRAIN_S)
    await parts.engine.traces.idle()
    await end(engine)
