"""Values for tests of the reuse modes: an agent in a folder, an attempt, and what came of it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import msgspec

from agent_runner.modes.all import Modes
from agent_runner.modes.port import Attempt, Cancellation, Ended
from agent_runner.sandbox.port import Sandbox, Tier
from agent_runner.sandbox.tiers import open_sandbox
from penstock.contracts.agent import AgentManifest, Reuse, SandboxLimits
from penstock.contracts.messages import StartNode
from tests.modes.watched import WatchedSandbox

RUN = UUID("01900000-0000-7000-8000-000000000001")


@dataclass
class Bench:
    """The modes over a sandbox of some tier, and a folder to put agents in."""

    modes: Modes
    sandbox: WatchedSandbox
    folder: Path
    lines: list[str] = field(default_factory=list)
    first_line: asyncio.Event = field(default_factory=asyncio.Event)

    def agent(self, source: str, **changes: object) -> AgentManifest:
        """A Python agent; `changes` are fields of its manifest."""
        (self.folder / "agent.py").write_text(source)
        return self.manifest("python", "-m", "penstock.agents", "agent.py", **changes)

    def manifest(self, *command: str, **changes: object) -> AgentManifest:
        manifest = AgentManifest(name="tested", version="1", command=command, folder=str(self.folder))
        return msgspec.structs.replace(manifest, **changes)

    def attempt(
        self, manifest: AgentManifest, value: object = None, *, project: str = "p", timeout_s: float = 30.0
    ) -> Attempt:
        key = secrets.token_urlsafe(16)
        order = StartNode(
            run=RUN,
            node="scan",
            attempt=2,
            project=project,
            workflow="w",
            agent=manifest.name,
            input=msgspec.Raw(b"{}"),
            timeout_s=timeout_s,
        )
        folders = self.modes.folders(manifest=manifest, project=project, attempt_key=key)
        data = json.dumps({} if value is None else value).encode()
        return Attempt(order=order, manifest=manifest, input=data, folders=folders, attempt_key=key, slot=0)

    async def run(
        self,
        manifest: AgentManifest,
        value: object = None,
        *,
        cancelled: Cancellation | None = None,
        project: str = "p",
        timeout_s: float = 30.0,
    ) -> Ended:
        attempt = self.attempt(manifest, value, project=project, timeout_s=timeout_s)
        return await self.run_attempt(attempt, cancelled=cancelled)

    async def run_attempt(self, attempt: Attempt, *, cancelled: Cancellation | None = None) -> Ended:
        return await self.modes.run(
            attempt,
            on_log=self._note,
            cancelled=cancelled or Cancellation(),
        )

    def _note(self, stream: str, text: str) -> None:
        assert stream == "stderr"
        self.lines.append(text)
        self.first_line.set()


async def until(condition: Callable[[], bool]) -> None:
    """Polls for what another process does: nobody tells."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(tier: Tier) -> AsyncIterator[Sandbox]:
    sandbox = await open_sandbox(tier)
    try:
        yield sandbox
    finally:
        await sandbox.close()


@asynccontextmanager
async def bench(folder: Path, sandbox: Sandbox, *, slots: int = 4) -> AsyncIterator[Bench]:
    (folder / "agent").mkdir()
    watched = WatchedSandbox(sandbox)
    modes = Modes(sandbox=watched, work_folder=folder / "work", slots=slots)
    try:
        yield Bench(modes, watched, folder / "agent")
    finally:
        await modes.close()


@asynccontextmanager
async def plain_bench(folder: Path) -> AsyncIterator[Bench]:
    """Over plain processes: for what has nothing to do with the sandbox."""
    async with opened(Tier.NONE) as sandbox, bench(folder, sandbox) as prepared:
        yield prepared


def limits(**changes: object) -> SandboxLimits:
    return msgspec.structs.replace(SandboxLimits(), **changes)


def output(ended: Ended) -> object:
    """The output as JSON; shows the failure when there is none."""
    assert ended.output is not None, ended.failure
    return json.loads(ended.output)


HOSTED = (Reuse.FORK, Reuse.PROCESS)
