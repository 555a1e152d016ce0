"""A sandbox as it is, which also notes what it starts: a test sees whether a worker was used again."""

from collections.abc import Mapping

from agent_runner.sandbox.port import Sandbox, SandboxedProcess, SandboxSpec, Tier, View


class WatchedSandbox:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.started: list[SandboxSpec] = []

    @property
    def tier(self) -> Tier:
        return self._sandbox.tier

    @property
    def details(self) -> Mapping[str, str]:
        return self._sandbox.details

    def view(self, spec: SandboxSpec) -> View:
        return self._sandbox.view(spec)

    async def start(self, spec: SandboxSpec) -> SandboxedProcess:
        self.started.append(spec)
        return await self._sandbox.start(spec)

    async def close(self) -> None:
        await self._sandbox.close()
