"""Webhooks: how long an event takes to arrive at a target, while 200 of them happen in a second."""

import asyncio
import json
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import msgspec

from benchmarks.fairness import milliseconds
from penstock.bus.connection import connect
from penstock.bus.publisher import Publisher
from penstock.contracts import subjects
from penstock.contracts.timeline import CloudEvent, Kind
from penstock.contracts.wire import encode, raw
from tests.stack import Stack

RATE_PER_S = 200
SECONDS = 10.0
TICK_S = 0.02
WARM_UP = 100
PATIENCE_S = 30.0  # for the last to arrive
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXTRA = {"PENSTOCK_NOTIFIER_NETWORKS": "127.0.0.0/8"}


@dataclass
class Target(asyncio.Protocol):
    """Answers every POST at once, and notes how old its event was."""

    ages: list[float]
    seen: set[str]
    _received: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not separator or len(rest) < _length(head):
            return
        self._received.clear()
        event = msgspec.json.decode(rest, type=CloudEvent)
        self.ages.append((datetime.now(UTC) - event.time).total_seconds())
        self.seen.add(event.id)
        self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def measure_webhooks(stack: Stack) -> str:
    """One JSON line."""
    ages: list[float] = []
    seen: set[str] = set()
    server = await asyncio.get_running_loop().create_server(lambda: Target(ages, seen), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await subscribe(stack.notifier_url, f"http://127.0.0.1:{port}/hook")
    login = stack.nats.login("orchestrator")
    async with connect(url=stack.nats.url, user=login.user, password=login.password, name="bench") as bus:
        publisher = Publisher(bus)
        await publisher.start()
        await publish(publisher, WARM_UP)
        await until_seen(seen, WARM_UP)
        ages.clear()
        seen.clear()
        sent, took_s = await load(publisher)
        await until_seen(seen, sent)
    server.close()
    return line(ages, sent=sent, seen=len(seen), took_s=took_s)


async def subscribe(url: str, target: str) -> None:
    channel = {"webhook": {"url": target, "secret": SECRET}}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.put(
            f"{url}/api/v1/subscriptions/bench", json={"events": ["run.succeeded"], "channel": channel}
        )
        answer.raise_for_status()


async def load(publisher: Publisher) -> tuple[int, float]:
    """Events at the rate, evenly; how many, and how long it took."""
    began = time.perf_counter()
    sent = 0
    while (passed := time.perf_counter() - began) < SECONDS:
        due = int(passed * RATE_PER_S) - sent
        await publish(publisher, due)
        sent += due
        await asyncio.sleep(TICK_S)
    return sent, time.perf_counter() - began


async def publish(publisher: Publisher, count: int) -> None:
    if count > 0:
        subject = subjects.event("default", "bench", Kind.RUN_SUCCEEDED)
        await publisher.publish([(subject, encode(succeeded(uuid4()))) for _ in range(count)])


def succeeded(run: UUID) -> CloudEvent:
    return CloudEvent(
        id=f"{run}/9",
        source="/projects/default/workflows/bench",
        type=f"penstock.{Kind.RUN_SUCCEEDED}",
        time=datetime.now(UTC),
        data=raw(b'{"output":{"value":1}}'),
    )


async def until_seen(seen: set[str], count: int) -> None:
    deadline = time.perf_counter() + PATIENCE_S
    while len(seen) < count and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)


def line(ages: list[float], *, sent: int, seen: int, took_s: float) -> str:
    figures = {
        "system": "penstock",
        "workload": "webhooks",
        "events": sent,
        "events_per_s": math.floor(sent / took_s),
        "arrived": seen,
        "arrivals": len(ages),
        "p50_ms": milliseconds(ages, 0.5),
        "p95_ms": milliseconds(ages, 0.95),
        "max_ms": milliseconds(ages, 1.0),
    }
    return json.dumps(figures)


def _length(head: bytes) -> int:
    for name, _, value in (header.partition(b":") for header in head.split(b"\r\n")):
        if name.lower() == b"content-length":
            return int(value)
    return 0
