"""The engine on a real database and a real bus, without the doors."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded
from orchestrator.engine.engine import RunEngine
from orchestrator.engine.inbox import Inbox
from orchestrator.engine.matching import Looks, Matching
from orchestrator.engine.port import Started, StartRun
from orchestrator.engine.relay import Relay
from orchestrator.engine.span_contexts import SpanContexts
from orchestrator.engine.sweep import Sweep
from orchestrator.store.database import open_pool
from penstock.bus.connection import Bus, connect
from penstock.bus.publisher import Publisher
from penstock.bus.streams import declare_streams
from penstock.definition import load
from penstock.definition.expressions import Expressions
from penstock.service import end
from penstock.telemetry.tracing import OFF, Tracing
from penstock_cli.embedded.nats import Nats

LEASE = timedelta(seconds=30)


@dataclass
class World:
    """One orchestrator's inside."""

    pool: asyncpg.Pool
    bus: Bus
    relay: Relay
    engine: RunEngine
    sweep: Sweep
    inbox: Inbox

    async def define(self, document: dict[str, object], *, project: str = "default") -> None:
        """Save version 1 of a workflow."""
        loaded = load(json.dumps(document))
        name = loaded.definition.name
        await self.pool.execute(
            "insert into workflow (project, name, latest_version) values ($1, $2, 1)", project, name
        )
        await self.pool.execute(
            "insert into workflow_version (project, name, version, digest, source) values ($1, $2, 1, $3, $4)",
            project,
            name,
            loaded.digest,
            loaded.canonical.decode(),
        )

    async def start(self, workflow: str, **fields: object) -> Started:
        request: dict[str, object] = {
            "project": "default",
            "workflow": workflow,
            "version": 1,
            "latest": True,
            "input": b'{"value": 1}',
            "digest": "one",
        }
        return await self.engine.start(StartRun(**{**request, **fields}))  # type: ignore[arg-type]

    async def claim(self, run: UUID, node: str, *, attempt: int = 1, token: UUID | None = None) -> UUID:
        """Claim an attempt that must be free; returns the token."""
        token = token or uuid4()
        assert await self.engine.handle([(run, AttemptClaimed(node, attempt, token, "runner-1"))]) == [
            Outcome.APPLIED
        ]
        return token

    async def succeed(
        self, run: UUID, node: str, *, attempt: int = 1, output: bytes = b'{"value": 1}'
    ) -> None:
        """Claim and complete."""
        token = await self.claim(run, node, attempt=attempt)
        done = AttemptSucceeded(node, attempt, token, output)
        assert await self.engine.handle([(run, done)]) == [Outcome.APPLIED]

    async def node(self, run: UUID, name: str) -> asyncpg.Record:
        return await self.pool.fetchrow("select * from node where run_id = $1 and name = $2", run, name)

    async def run(self, run: UUID) -> asyncpg.Record:
        return await self.pool.fetchrow("select * from run where id = $1", run)

    async def kinds(self, run: UUID) -> list[str]:
        rows = await self.pool.fetch("select kind from run_event where run_id = $1 order by seq", run)
        return [row["kind"] for row in rows]

    async def time_passes(self, run: UUID) -> None:
        """Every timer of the run's nodes is due now."""
        await self.pool.execute(
            "update node set wake_at = now() where run_id = $1 and wake_at is not null", run
        )


@asynccontextmanager
async def open_world(database: str, nats: Nats, tracing: Tracing = OFF) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        pool = await open_pool(database)
        stack.push_async_callback(pool.close)
        login = nats.login("orchestrator")
        bus = await stack.enter_async_context(
            connect(url=nats.url, user=login.user, password=login.password, name="test")
        )
        await declare_streams(bus.client.jetstream())
        publisher = Publisher(bus)
        await publisher.start()
        relay = Relay(bus, publisher, pool, SpanContexts(tracing))
        engine = RunEngine(pool, relay, Expressions().evaluate, lease=LEASE, find_events=Looks(pool))
        inbox = Inbox(pool, Matching(pool, engine.handle))
        sweep = Sweep(pool, engine, relay, lease_s=LEASE.total_seconds(), bus_is_up=lambda: bus.is_connected)
        loops = [asyncio.create_task(part.run()) for part in (engine, inbox)]
        yield World(pool, bus, relay, engine, sweep, inbox)
        await end(*loops)


@pytest.fixture
async def world(database: str, nats_server: Nats) -> AsyncIterator[World]:
    async with open_world(database, nats_server) as opened:
        yield opened


@pytest.fixture
async def second_world(database: str, nats_server: Nats, world: World) -> AsyncIterator[World]:
    """Another orchestrator on the same database."""
    async with open_world(database, nats_server) as opened:
        yield opened


def chain(name: str, *, length: int = 2, **node_fields: object) -> dict[str, object]:
    """n0 → n1 → …, each handing on a value."""
    nodes = {}
    for i in range(length):
        source = "inputs.value" if i == 0 else f"nodes.n{i - 1}.output.value"
        nodes[f"n{i}"] = {"agent": "echo", "with": {"value": f"${{{{ {source} }}}}"}, **node_fields}
    return {"name": name, "nodes": nodes}
