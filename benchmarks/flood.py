"""The flood: events at a fixed rate on the bus. Each has to be stored once, and to start its run if a trigger
means it."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg

from benchmarks.client import Connection, Json
from penstock.bus import permissions
from penstock.bus.connection import connect
from penstock.bus.publisher import Message, NotAcknowledged, Publisher
from penstock.contracts import subjects
from penstock.contracts.wire import encode
from tests.stack import Stack

EVENTS = 50_000
PER_SECOND = 5_000
TICK_S = 0.02  # a list of events is sent this often
TYPES = ("flood.one", "flood.two", "flood.three", "flood.four")  # only the last one has a trigger
MEANT_EVERY = 1_000  # of all events, in any order, this share is meant by the trigger
PATIENCE_S = 120.0

TRIGGER = {
    "type": TYPES[-1],
    "if": "${{ event.data.meant }}",
    "input": {"value": "${{ event.data.number }}"},
}


@dataclass(frozen=True)
class Flood:
    """What was sent, and what there is of it. Times are seconds; `stored_s` and `started_s` count from the last
    publication, and are 0 when nothing was left to do by then."""

    sent: int
    published_s: float
    stored: int
    stored_s: float
    meant: int
    runs: int
    started_s: float

    @property
    def lost(self) -> int:
        return self.sent - self.stored

    def line(self) -> str:
        """One JSON line."""
        return json.dumps(
            {
                "system": "penstock",
                "workload": "flood",
                "events": self.sent,
                "events_per_s": round(self.sent / self.published_s),
                "lost": self.lost,
                "last_stored_after_ms": round(self.stored_s * 1_000),
                "runs_meant": self.meant,
                "runs": self.runs,
                "last_started_after_ms": round(self.started_s * 1_000),
            }
        )


async def measure_flood(
    stack: Stack,
    *,
    events: int = EVENTS,
    per_second: int = PER_SECOND,
    source: str = "/flood",
    agent: str = "echo",
) -> Flood:
    """Each `source` is a flood of its own."""
    connection = await Connection.open(stack.url)
    await connection.request("POST", "/api/v1/workflows", workflow(agent))
    connection.close()
    database = await asyncpg.connect(stack.postgres.url())
    began = time.perf_counter()
    await publish(stack, events=events, per_second=per_second, source=source)
    published = time.perf_counter()
    meant = len(range(len(TYPES) - 1, events, MEANT_EVERY))
    stored = await until(database, _STORED, source, events)
    stored_at = time.perf_counter()
    runs = await until(database, _STARTED, source, meant)
    flood = Flood(
        sent=events,
        published_s=published - began,
        stored=stored,
        stored_s=stored_at - published,
        meant=meant,
        runs=runs,
        started_s=time.perf_counter() - published,
    )
    await database.close()
    return flood


def workflow(agent: str) -> Json:
    return {
        "name": "flood",
        "inputs": {"type": "object", "required": ["value"], "properties": {"value": {"type": "integer"}}},
        "nodes": {"only": {"agent": agent, "with": {"value": "${{ inputs.value }}"}}},
        "triggers": [{"event": TRIGGER}],
    }


_STORED = "select count(*) from inbound_event where source = $1"
_STARTED = "select count(*) from run where labels ->> 'source' = $1"


async def until(database: asyncpg.Connection, query: str, source: str, expected: int) -> int:
    """The count, as soon as it is what is expected, or when patience has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while (count := int(await database.fetchval(query, source))) < expected and time.monotonic() < deadline:
        await asyncio.sleep(TICK_S)
    return count


async def publish(stack: Stack, *, events: int, per_second: int, source: str) -> None:
    """As another system does: with its own user, and again what was not acknowledged."""
    login = stack.nats.login(permissions.PUBLISHER)
    async with connect(url=stack.nats.url, user=login.user, password=login.password, name="flood") as bus:
        publisher = Publisher(bus)
        await publisher.start()
        began = time.monotonic()
        under_way = []
        for place, messages in enumerate(lists(events, size=round(per_second * TICK_S), source=source)):
            under_way.append(asyncio.create_task(land(publisher, messages)))
            await asyncio.sleep(max(0.0, began + (place + 1) * TICK_S - time.monotonic()))
        await asyncio.gather(*under_way)


async def land(publisher: Publisher, messages: list[Message]) -> None:
    while True:
        try:
            return await publisher.publish(messages)
        except NotAcknowledged:
            continue


def lists(events: int, *, size: int, source: str) -> Iterator[list[Message]]:
    for first in range(0, events, size):
        yield [message(number, source) for number in range(first, min(first + size, events))]


def message(number: int, source: str) -> Message:
    type_ = TYPES[number % len(TYPES)]
    data = {"number": number, "meant": number % MEANT_EVERY == len(TYPES) - 1, "text": "x" * 100}
    event = {"specversion": "1.0", "id": str(number), "source": source, "type": type_, "data": data}
    return subjects.inbound("default", type_), encode(event)
