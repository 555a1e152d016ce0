"""A sandbox that encloses nothing: tests of the modes run the program itself, wherever they run."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from agent_runner.sandbox.port import Exit, SandboxSpec, Tier, View


class PlainProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdin(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> asyncio.StreamReader:
        assert self._process.stderr is not None
        return self._process.stderr

    async def wait(self) -> Exit:
        code = await self._process.wait()
        self.kill()
        return Exit(code=code, signal=None) if code >= 0 else Exit(code=None, signal=-code)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


class PlainSandbox:
    """Counts what it starts, so that a test can see whether a worker was used again."""

    tier = Tier.NONE
    details: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.started: list[SandboxSpec] = []

    def view(self, spec: SandboxSpec) -> View:
        work = spec.work_folder
        socket = str(spec.socket) if spec.socket else None
        return View(
            agent=str(spec.agent_folder),
            input=str(work / "in"),
            output=str(work / "out"),
            scratch="/tmp",
            socket=socket,
        )

    async def start(self, spec: SandboxSpec) -> PlainProcess:
        self.started.append(spec)
        process = await asyncio.create_subprocess_exec(
            *spec.command,
            cwd=spec.agent_folder,
            env=dict(spec.environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return PlainProcess(process)

    async def close(self) -> None:
        pass


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
