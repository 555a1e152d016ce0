"""Every part of the orchestrator, chosen and put together: the one place that knows all implementations.

In the order of their making: the ground (database, bus), what decides, what comes in, the HTTP server.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog
import uvicorn

from orchestrator.bus.control import ControlDoor
from orchestrator.bus.for_notifier import DECLARE_EVERY_S, NotifierConsumer
from orchestrator.bus.requests import Requests
from orchestrator.clock import FORGET_EVERY_S, RETENTION_EVERY_S
from orchestrator.engine.attempt_stores import AttemptStores
from orchestrator.engine.budgets import BudgetControl
from orchestrator.engine.bus_gauges import BusGauges
from orchestrator.engine.engine import RunEngine
from orchestrator.engine.feed import Feed
from orchestrator.engine.gauges import DatabaseGauges
from orchestrator.engine.inbox import Inbox, Offers
from orchestrator.engine.live import LOOK_EVERY_S, LiveViews
from orchestrator.engine.matching import Looks, Matching
from orchestrator.engine.model_calls import ModelCalls
from orchestrator.engine.observer import Observer
from orchestrator.engine.places import Places
from orchestrator.engine.registry import RunnerRegistry
from orchestrator.engine.relay import Relay
from orchestrator.engine.replay import Replay
from orchestrator.engine.retention import Retention
from orchestrator.engine.schedule_control import ScheduleControl
from orchestrator.engine.schedules import ScheduleSweep
from orchestrator.engine.span_contexts import SpanContexts
from orchestrator.engine.start_rate import StartRate
from orchestrator.engine.stores import Stores
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
from penstock.clock import Loop
from penstock.contracts.limits import LIVE_MESSAGE_BYTES_MAX
from penstock.contracts.subjects import STREAM_EVENTS
from penstock.definition.expressions import Expressions
from penstock.http.server import http_server
from penstock.postgres.migrate import migrate
from penstock.postgres.pool import close_pool, reach_database
from penstock.telemetry.tracing import OFF, Tracing

DRAIN_S = 5.0  # how long a stopping orchestrator finishes what it has begun

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ground:
    """What everything else stands on."""

    settings: Settings
    pool: asyncpg.Pool
    database: Database
    stores: Database  # connections of their own: what agents ask is nothing that people should wait for
    bus: Bus
    expressions: Expressions
    tracing: Tracing


@dataclass(frozen=True)
class Parts:
    """The orchestrator, put together."""

    bus: Bus
    engine: RunEngine
    relay: Relay
    sweep: Sweep
    inbox: Inbox
    triggering: Triggering
    live: LiveViews
    requests: Requests
    control: ControlDoor
    registry: RunnerRegistry
    models: ModelCalls
    clocks: tuple[Loop, ...]
    server: uvicorn.Server


async def compose(settings: Settings, stack: AsyncExitStack, tracing: Tracing = OFF) -> Parts:
    """Connect to everything and put the parts together; `stack` closes what was opened."""
    ground = await _ground(settings, stack, tracing)
    pool, bus = ground.pool, ground.bus
    publisher = Publisher(bus)
    await publisher.start()
    contexts = SpanContexts(tracing)
    relay = Relay(bus, publisher, pool, contexts)
    workflows = WorkflowRegistry(ground.database)
    engine = _engine(ground, relay, workflows)
    registry = RunnerRegistry(pool)
    artifacts = ArtifactFolder(settings.artifacts_folder, ground.database)
    retention = Retention(pool, artifacts, default=timedelta(days=settings.retention_days))
    await retention.make_room()
    ticks = TickRuns(pool, engine, workflows, ground.expressions.evaluate)
    rate = StartRate(engine.capacity, per_second=settings.starts_per_second)
    triggering = Triggering(pool, engine, workflows, ground.expressions.evaluate, rate)
    inbox = Inbox(pool, Offers(Matching(pool, engine.handle), triggering))
    live = LiveViews(pool, Feed(bus), History(bus, stream=STREAM_EVENTS), Places(), contexts)
    models = ModelCalls(pool, engine)
    sweep = Sweep(pool, engine, relay, lease_s=settings.lease_s, bus_is_up=lambda: bus.is_connected)
    often, gauges_s = settings.sweep_every_s, settings.gauges_every_s
    clocks = (
        Loop(sweep, every_s=often),
        Loop(ScheduleSweep(pool, engine, ticks), every_s=often),
        Loop(inbox.repeat, every_s=often),
        Loop(models.sweep, every_s=often),
        Loop(triggering.start_due, every_s=often),
        Loop(inbox.forget, every_s=FORGET_EVERY_S),
        Loop(models.forget, every_s=FORGET_EVERY_S),
        Loop(retention, every_s=RETENTION_EVERY_S),
        Loop(live.look_for_laggards, every_s=LOOK_EVERY_S),
        Loop(NotifierConsumer(bus, Replay(pool, publisher)), every_s=DECLARE_EVERY_S, at_once=True),
        Loop(DatabaseGauges(pool, engine.plans, relay, engine.observer), every_s=gauges_s, at_once=True),
        Loop(BusGauges(bus), every_s=gauges_s, at_once=True),
    )
    schedules = ScheduleControl(ground.database, pool, workflows, ticks)
    server = _http_server(ground, engine, workflows, schedules, inbox, artifacts, retention, rate, live)
    requests = Requests(bus, registry)
    control = ControlDoor(bus, requests, registry, AttemptStores(ground.stores))
    doors = (requests, control, registry, models)
    return Parts(bus, engine, relay, sweep, inbox, triggering, live, *doors, clocks, server)


async def _ground(settings: Settings, stack: AsyncExitStack, tracing: Tracing) -> Ground:
    """The database, migrated, and the bus, with every stream declared."""
    pool = await reach_database(open_pool(settings.database_url), setting=f"{PREFIX}DATABASE_URL")
    stack.push_async_callback(close_pool, pool, patience_s=DRAIN_S)
    async with pool.acquire() as connection:
        applied = await migrate(connection, MIGRATIONS)
    if applied:
        log.info("orchestrator.migrated", migrations=applied)
    connecting = connect(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name="penstock-orchestrator",
    )
    bus = await stack.enter_async_context(connecting)
    await declare_streams(bus.client.jetstream())
    expressions = Expressions()
    stack.callback(expressions.close)
    database = open_database(settings.database_url)
    stack.push_async_callback(database.dispose)
    stores = open_database(settings.database_url)
    stack.push_async_callback(stores.dispose)
    return Ground(settings, pool, database, stores, bus, expressions, tracing)


def _engine(ground: Ground, relay: Relay, workflows: WorkflowRegistry) -> RunEngine:
    settings = ground.settings
    return RunEngine(
        ground.pool,
        relay,
        ground.expressions.evaluate,
        lease=timedelta(seconds=settings.lease_s),
        find_events=Looks(ground.pool),
        check_input=workflows.check_input,
        observer=Observer(
            minute_price_dollars=settings.minute_price_dollars, day_budget_dollars=settings.day_budget_dollars
        ),
    )


def _http_server(
    ground: Ground,
    engine: RunEngine,
    workflows: WorkflowRegistry,
    schedules: ScheduleControl,
    inbox: Inbox,
    artifacts: ArtifactFolder,
    retention: Retention,
    rate: StartRate,
    live: LiveViews,
) -> uvicorn.Server:
    database, settings = ground.database, ground.settings
    app = create_app(
        engine=engine,
        queries=Reads(database, workflows, minute_price_dollars=settings.minute_price_dollars),
        registry=workflows,
        schedules=schedules,
        artifacts=artifacts,
        keeping=retention,
        breakers=engine.breakers,
        budgets=BudgetControl(ground.pool, database, engine),
        pauses=engine.pauses,
        inbox=inbox,
        inbound=InboundReads(database),
        readiness=Readiness(ground.bus, ground.pool),
        limits=LimitTable(database, on_change=engine.dispatcher.look_again),
        start_rate=rate,
        stores=Stores(ground.stores),
        live=live,
        settings=HttpSettings(),
        tracing=ground.tracing,
    )
    return http_server(app, drain_s=DRAIN_S, message_bytes_max=LIVE_MESSAGE_BYTES_MAX)
