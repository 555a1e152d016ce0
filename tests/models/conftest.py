"""A gateway on a real socket, with a real bus behind it and the tests' model server before it; no sandbox."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import openai
import pytest

from agent_runner.artifacts import ArtifactStore
from agent_runner.catalogue import compiled
from agent_runner.gateway.app import Gateway
from agent_runner.gateway.reports import Checkpoints, ProgressReports
from agent_runner.gateway.sockets import Sockets
from agent_runner.gateway.stores import StoreCalls
from agent_runner.granted_secrets import GrantedSecrets
from agent_runner.held import Held, HeldAttempts
from agent_runner.models.calls import ModelCalls
from agent_runner.models.configured import Models
from agent_runner.models.kept import KeptReplies
from agent_runner.models.ledger import Ledger
from agent_runner.models.providers import Providers
from agent_runner.models.reading import models_of
from agent_runner.serving import Serving
from penstock.bus.connection import Bus, connect
from penstock.contracts.agent import AgentManifest
from penstock.contracts.messages import StartNode
from penstock.contracts.names import POOL_DEFAULT
from penstock.telemetry.tracing import OFF, Tracing
from penstock_cli.embedded.nats import Nats
from tests.model_server import ModelServer
from tests.runner.artifact_server import ArtifactServer
from tests.runner.peer import Peer
from tests.servers import RUNNER, TESTER

TIMEOUT_S = 30.0


@dataclass
class Attempt:
    """One attempt of an agent, as its clients see it: `http` speaks for itself, `openai` is an unmodified client."""

    held: Held
    http: httpx.AsyncClient
    openai: openai.AsyncOpenAI

    async def chat(self, text: str = "Hello?", **fields: Any) -> httpx.Response:
        body = {"model": "default", "messages": [{"role": "user", "content": text}], **fields}
        return await self.http.post("/v1/chat/completions", json=body)


@dataclass
class Runner:
    """The part of a runner that answers agents. Attempts of one run and node follow each other."""

    sockets: Sockets
    attempts: HeldAttempts
    stack: AsyncExitStack
    order: StartNode
    calls: ModelCalls
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def attempt(self, number: int = 1, **fields: Any) -> Attempt:
        """A running attempt whose agent may call `default`, `other` and `embeddings`."""
        timeout_s = float(fields.pop("timeout_s", TIMEOUT_S))
        order = msgspec.structs.replace(self.order, attempt=number, timeout_s=timeout_s)
        manifest = AgentManifest(
            **{
                "name": "asker",
                "version": "1.0.0",
                "command": ("true",),
                "folder": "/agents/asker",
                "models": ("default", "other", "embeddings"),
                **fields,
            }
        )
        held = Held(
            order=order,
            agent=compiled(manifest),
            token=uuid4(),
            attempt_key=secrets.token_hex(8),
            slot=0,
            safe_until=0.0,
        )
        held.task = asyncio.create_task(_until(self.ended))
        self.attempts.add(held)
        path = await self.sockets.own(held)
        http = await self.stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(path)),
                base_url="http://penstock",
                headers={"penstock-attempt": held.attempt_key},
                timeout=30,
            )
        )
        plain = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)))
        client = openai.AsyncOpenAI(
            base_url="http://penstock/v1", api_key=held.attempt_key, http_client=plain, max_retries=0
        )
        await self.stack.enter_async_context(client)
        return Attempt(held, http, client)


Start = Callable[..., Any]


@pytest.fixture(scope="session")
async def model_bus(nats_server: Nats) -> AsyncIterator[Bus]:
    login = nats_server.login(RUNNER)
    async with connect(url=nats_server.url, user=login.user, password=login.password, name="models") as bus:
        yield bus


@pytest.fixture(scope="session")
async def model_peer(nats_server: Nats) -> AsyncIterator[Peer]:
    login = nats_server.login(TESTER)
    async with connect(url=nats_server.url, user=login.user, password=login.password, name="peer") as bus:
        peer = Peer(bus)
        await peer.open_models()
        yield peer


@pytest.fixture
def ledger(model_peer: Peer) -> Peer:
    """The orchestrator's side, which lets every call go and remembers answers, unless the test says otherwise."""
    model_peer.model_begins.clear()
    model_peer.model_ends.clear()
    model_peer.lost.clear()
    model_peer.verdict = lambda begin: None
    return model_peer


@pytest.fixture
async def started(
    model_bus: Bus, ledger: Peer, model_server: ModelServer, tmp_path: Path
) -> AsyncIterator[Start]:
    """`runner = await started(models=…)`: with the models of the model server, or with those of a models file."""
    async with AsyncExitStack() as stack:

        async def start(models: Models | str | None = None, tracing: Tracing = OFF) -> Runner:
            if not isinstance(models, Models):
                file = model_server.write_models(tmp_path)
                text = file.read_bytes() if models is None else models.encode()
                models = models_of(text, folder=tmp_path, environment={})
            server = await stack.enter_async_context(ArtifactServer.opened(tmp_path / "stored"))
            (tmp_path / "cache").mkdir()
            (tmp_path / "s").mkdir()
            artifacts = ArtifactStore(url=server.url, cache=tmp_path / "cache")
            stack.push_async_callback(artifacts.close)
            return _runner(models, model_bus, artifacts, tmp_path / "s", tracing, stack)

        yield start


@pytest.fixture
async def runner(started: Start) -> Runner:
    started_runner: Runner = await started()
    return started_runner


def _runner(
    models: Models, bus: Bus, artifacts: ArtifactStore, folder: Path, tracing: Tracing, stack: AsyncExitStack
) -> Runner:
    attempts, providers, ledger = HeldAttempts(), Providers(models), Ledger(bus, pool=POOL_DEFAULT)
    calls = ModelCalls(
        models=models, providers=providers, ledger=ledger, replies=KeptReplies(artifacts), tracing=tracing
    )
    gateway = Gateway(
        attempts=attempts,
        checkpoints=Checkpoints(bus, pool=POOL_DEFAULT),
        progress=ProgressReports(bus, pool=POOL_DEFAULT),
        secrets=GrantedSecrets({}),
        artifacts=artifacts,
        models=calls,
        stores=StoreCalls(bus, pool=POOL_DEFAULT),
        tracing=tracing,
    )
    sockets = Sockets(Serving(gateway.app()), folder)
    order = StartNode(
        run=uuid4(),
        node="asks",
        attempt=1,
        project="default",
        workflow="w",
        agent="asker",
        input=msgspec.Raw(b"{}"),
        timeout_s=TIMEOUT_S,
    )
    runner = Runner(sockets, attempts, stack, order, calls)
    for close in (providers.close, ledger.close):
        stack.push_async_callback(close)
    stack.callback(sockets.close)
    stack.callback(runner.ended.set)
    return runner


async def _until(ended: asyncio.Event) -> None:
    await ended.wait()
