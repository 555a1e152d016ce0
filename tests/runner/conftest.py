"""A runner with real sandboxes on a real bus, and the protocol peer that plays the orchestrator."""

import asyncio
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent_runner.catalogue import Agent, Catalogue, compiled
from agent_runner.granted_secrets import GrantedSecrets
from agent_runner.main import compose
from agent_runner.models.configured import NO_MODELS, Models
from agent_runner.runner import Runner
from agent_runner.sandbox.port import Tier
from agent_runner.sandbox.probe import Report
from agent_runner.settings import Settings
from agent_runner.stopping import Stop
from agent_runner.work_folder import claimed
from penstock.bus.connection import Bus, connect
from penstock.contracts.agent import AgentManifest, SandboxLimits
from penstock.contracts.limits import MIB
from penstock.telemetry.tracing import OFF, Tracing
from penstock_cli.embedded.nats import Nats
from tests.runner.artifact_server import ArtifactServer
from tests.runner.peer import Peer
from tests.servers import RUNNER, TESTER

HOLDS = Report(Tier.BWRAP, ())
LIMITS = SandboxLimits(memory_bytes=128 * MIB, processes=16, scratch_bytes=16 * MIB)


@dataclass
class Agents:
    """Agents that a test writes: a program each."""

    folder: Path
    made: dict[str, Agent] = field(default_factory=dict)

    def add(self, name: str, source: str, *, program: str = "python", **fields: Any) -> None:
        folder = self.folder / name
        folder.mkdir()
        (folder / "agent").write_text(textwrap.dedent(source))
        manifest = AgentManifest(
            name=name,
            version="1.0.0",
            command=(program, "agent"),
            folder=str(folder),
            **{"sandbox": LIMITS, **fields},
        )
        self.made[name] = compiled(manifest)


@dataclass
class Started:
    """A runner that runs in this process."""

    runner: Runner
    stop: Stop
    task: asyncio.Task[None]
    id: str
    work: Path


Start = Callable[..., Any]


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    """Empty, to be filled. What an agent needs is readable by the sandbox's user."""
    folder = tmp_path / "agents"
    folder.mkdir()
    for path in (folder, *folder.parents[:3]):
        path.chmod(0o755)
    return Agents(folder)


@pytest.fixture
async def bus(own_nats: Nats) -> AsyncIterator[Bus]:
    login = own_nats.login(TESTER)
    async with connect(url=own_nats.url, user=login.user, password=login.password, name="peer") as bus:
        yield bus


@pytest.fixture
async def peer(bus: Bus) -> AsyncIterator[Peer]:
    peer = Peer(bus)
    await peer.open()
    taking = asyncio.create_task(peer.take_results())
    yield peer
    taking.cancel()


@pytest.fixture
async def artifact_server(tmp_path: Path) -> AsyncIterator[ArtifactServer]:
    async with ArtifactServer.opened(tmp_path / "stored") as server:
        yield server


@pytest.fixture
async def start(
    own_nats: Nats, peer: Peer, agents: Agents, artifact_server: ArtifactServer, tmp_path: Path
) -> AsyncIterator[Start]:
    """`await start(slots=…)` gives a runner that takes work; it is stopped at once at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            id: str = "runner-1",
            secrets: Any = None,
            report: Report = HOLDS,
            tracing: Tracing = OFF,
            models: Models = NO_MODELS,
            **fields: Any,
        ) -> Started:
            login = own_nats.login(RUNNER)
            settings = Settings(
                id=id,
                agents=(agents.folder,),
                nats_url=own_nats.url,
                nats_user=login.user,
                nats_password=login.password,
                orchestrator_url=artifact_server.url,
                work_folder=tmp_path / "work",
                **{"drain_grace_s": 20.0, **fields},
            )
            catalogue = Catalogue(agents.made)
            return await stack.enter_async_context(
                _running(settings, catalogue, GrantedSecrets(secrets or {}), report, tracing, models)
            )

        yield start


@asynccontextmanager
async def _running(
    settings: Settings,
    catalogue: Catalogue,
    secrets: GrantedSecrets,
    report: Report,
    tracing: Tracing,
    models: Models,
) -> AsyncIterator[Started]:
    stop = Stop()
    async with AsyncExitStack() as stack:
        work = stack.enter_context(claimed(settings.work_folder, runner=settings.id))
        bus = await stack.enter_async_context(
            connect(
                url=settings.nats_url,
                user=settings.nats_user,
                password=settings.nats_password,
                name=settings.id,
            )
        )
        runner = await compose(
            settings,
            bus=bus,
            report=report,
            catalogue=catalogue,
            secrets=secrets,
            work=work,
            stack=stack,
            tracing=tracing,
            models=models,
        )
        task = asyncio.create_task(runner.run(stop, grace_s=settings.drain_grace_s))
        yield Started(runner, stop, task, settings.id, work.root)
        stop.drain.set()
        stop.at_once.set()
        await task
