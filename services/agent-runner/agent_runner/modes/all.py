"""All reuse modes as one: each attempt goes to the mode that its agent's manifest names."""

import asyncio
from pathlib import Path
from typing import assert_never

from agent_runner.modes.hosted import Hosted
from agent_runner.modes.launch import compile_ours
from agent_runner.modes.never import Never
from agent_runner.modes.port import Attempt, Cancellation, Ended, Folders, Mode, OnLog
from agent_runner.sandbox.port import Sandbox
from penstock.contracts.agent import AgentManifest, Reuse


class Modes:
    """What the runner's worker calls. `work_folder` is where sandboxes have their folders."""

    def __init__(self, *, sandbox: Sandbox, work_folder: Path, slots: int) -> None:
        compile_ours()
        self._never = Never(sandbox=sandbox, work_folder=work_folder / "attempts")
        self._hosted = Hosted(sandbox=sandbox, work_folder=work_folder / "workers", slots=slots)

    def folders(self, *, manifest: AgentManifest, project: str, attempt_key: str) -> Folders:
        return self._mode(manifest).folders(manifest=manifest, project=project, attempt_key=attempt_key)

    async def run(self, attempt: Attempt, *, on_log: OnLog, cancelled: Cancellation) -> Ended:
        return await self._mode(attempt.manifest).run(attempt, on_log=on_log, cancelled=cancelled)

    async def close(self) -> None:
        await asyncio.gather(self._never.close(), self._hosted.close())

    def _mode(self, manifest: AgentManifest) -> Mode:
        match manifest.reuse:
            case Reuse.NEVER:
                return self._never
            case Reuse.FORK | Reuse.PROCESS:
                return self._hosted
            case _:
                assert_never(manifest.reuse)
