"""One whole Penstock for the tests that go through its public API."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from penstock.bus.permissions import Permissions
from tests.model_server import ModelServer
from tests.stack import ROOT, Stack

SPY = "spy"  # hears everything on the bus
LEASE_S = 3.0
Json = Any


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, model_server_running: ModelServer) -> Iterator[Stack]:
    agents = (ROOT / "tests/agents_for_tests", ROOT / "shared/packs")
    extra = {"PENSTOCK_ORCHESTRATOR_LEASE_S": str(LEASE_S)}
    folder, users = tmp_path_factory.mktemp("stack"), {SPY: Permissions(publish=(), subscribe=(">",))}
    own = {"runner-0": {"PENSTOCK_RUNNER_MODELS_FILE": str(model_server_running.write_models(folder))}}
    with Stack(folder=folder, agents=agents, slots=8, extra=extra, own=own, users=users) as running:
        yield running


class Api:
    """The public API, as a client sees it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def define(self, document: Json) -> None:
        answer = await self.client.post("/api/v1/workflows", json=document)
        assert answer.status_code in (200, 201), answer.text

    async def start(self, workflow: str, run_input: Json = None, **fields: Json) -> str:
        body = {"workflow": workflow, "input": run_input or {}, **fields}
        answer = await self.client.post("/api/v1/runs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def ended(self, run: str, *, seconds: int = 60) -> Json:
        """The run, once it has ended."""
        answer = await self.client.get(f"/api/v1/runs/{run}", params={"wait": seconds})
        assert answer.json()["ended_at"], (await self.get(f"/runs/{run}/explain"))["sentence"]
        return answer.json()

    async def run(self, document: Json, run_input: Json = None) -> Json:
        """Define, start, and wait for the end."""
        await self.define(document)
        return await self.ended(await self.start(document["name"], run_input))

    async def get(self, path: str, **params: Json) -> Json:
        answer = await self.client.get(f"/api/v1{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, **body: Json) -> Json:
        answer = await self.client.post(f"/api/v1{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def refused(self, path: str, status: int, **body: Json) -> str:
        """What the problem says."""
        answer = await self.client.post(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.text

    async def events(self, run: str) -> list[Json]:
        """The whole timeline of a run that has ended."""
        events: list[Json] = []
        after: int | None = 0
        while after is not None:
            page = await self.get(f"/runs/{run}/events", after=after, limit=200)
            events, after = events + page["items"], page["next"]
        return events

    async def until_state(self, run: str, state: str) -> Json:
        async with asyncio.timeout(30):
            while (seen := await self.get(f"/runs/{run}"))["state"] != state:
                await asyncio.sleep(0.02)
        return seen

    async def until_node(self, run: str, node: str, state: str) -> Json:
        async with asyncio.timeout(30):
            while (seen := node_of(await self.get(f"/runs/{run}"), node))["state"] != state:
                await asyncio.sleep(0.05)
        return seen

    async def until_run(self, run: str, state: str) -> Json:
        """The run, once it is in this state, which need not be an end."""
        seen = await self.get(f"/runs/{run}")
        async with asyncio.timeout(30):
            while seen["state"] != state:
                seen = await self.get(f"/runs/{run}", wait=5, after=seen["seq"])
        return seen


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=90) as client:
        yield Api(client)


def node_of(run: Json, name: str) -> Json:
    return next(node for node in run["nodes"] if node["name"] == name)


def actor(**given: Json) -> Json:
    """A node of the agent that does what it is told; what is no input of it is a key of the node."""
    inputs = {key: given.pop(key) for key in ("value", "seconds", "failures", "story") if key in given}
    return {"agent": "actor", "with": inputs, "retry": "none", **given}


def states(run: Json) -> dict[str, str]:
    return {node["name"]: node["state"] for node in run["nodes"]}
