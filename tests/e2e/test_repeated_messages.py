"""Promise R5: messages that are repeated, reordered, late or poisonous change nothing."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from penstock.bus.connection import connect
from penstock.bus.permissions import Permissions
from tests.chaos.shapes import CHAIN, FAN, FLAKY
from tests.e2e.conftest import Api
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.sandbox

SHAPES = (CHAIN, FAN, FLAKY)
RUNS = 24
EVERYTHING = Permissions(publish=(">",), subscribe=(">",))
TIMES_MAX = 4  # how often a message comes again
LATE_S_MAX = 0.6
OURS = "Echo"  # the header by which an echo knows itself


@dataclass
class Echo:
    """Says again what anybody says, up to four times, later, in any order."""

    client: Client
    chance: random.Random
    said: int = 0
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def hear(self, message: Msg) -> None:
        if message.headers and OURS in message.headers:
            return
        for _ in range(self.chance.randint(0, TIMES_MAX)):
            task = asyncio.create_task(self.again(message, self.chance.uniform(0, LATE_S_MAX)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def again(self, message: Msg, later_s: float) -> None:
        await asyncio.sleep(later_s)
        await self.client.publish(message.subject, message.data, headers={OURS: "1"})
        self.said += 1


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(
        folder=tmp_path_factory.mktemp("echo"),
        agents=(ROOT / "tests/agents_for_tests",),
        runners=2,
        slots=8,
        extra={"PENSTOCK_ORCHESTRATOR_LEASE_S": "3"},
        users={"echo": EVERYTHING},
    ) as running:
        yield running


@pytest.fixture
async def bus(echoing: Stack) -> AsyncIterator[Client]:
    login = echoing.nats.login("echo")
    async with connect(url=echoing.nats.url, user=login.user, password=login.password, name="echo") as bus:
        yield bus.client


@pytest.fixture
async def api(echoing: Stack) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=echoing.url, timeout=90) as client:
        yield Api(client)


async def test_messages_that_come_again_and_in_any_order_change_nothing(
    api: Api, bus: Client, echoing: Stack
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    for shape in SHAPES:
        await api.define(shape)

    async with echo(bus, random.Random(seed)) as echoes:
        runs = [await api.start(SHAPES[n % len(SHAPES)]["name"], {"value": n}) for n in range(RUNS)]
        ended = [await api.ended(run) for run in runs]
    after = [await api.get(f"/runs/{run}") for run in runs]

    assert {run["state"] for run in ended} == {"succeeded"}
    assert after == ended, "what came after the end changed a run"
    assert echoes.said > 10 * RUNS
    for number, run in enumerate(ended):
        for node in run["nodes"]:
            assert node["state"] == "skipped" or node["output"]["value"] == number
            assert node["attempt"] == (0 if node["state"] == "skipped" else 1 + (node["agent"] == "flaky"))
    assert await broken_invariants(echoing.postgres.url()) == {}


@asynccontextmanager
async def echo(bus: Client, chance: random.Random) -> AsyncIterator[Echo]:
    """Everything on the bus comes again until the end; returns when the last echo has been said."""
    echoes = Echo(bus, chance)
    subscription = await bus.subscribe("penstock.>", cb=echoes.hear)
    yield echoes
    await subscription.unsubscribe()
    while echoes.tasks:
        await asyncio.wait(echoes.tasks)
    await bus.flush()
