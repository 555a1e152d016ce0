"""Stands in for a tier that this machine does not have: starts nothing, and says why."""

from collections.abc import Mapping
from pathlib import Path

from agent_runner.sandbox.port import SandboxedProcess, SandboxSpec, Tier, View


class AbsentSandbox:
    """A runner that may take no work has this one, so that it can stay and be asked."""

    def __init__(self, tier: Tier, reason: str) -> None:
        self._tier, self._reason = tier, reason

    @property
    def tier(self) -> Tier:
        return self._tier

    @property
    def details(self) -> Mapping[str, str]:
        return {}

    def view(self, spec: SandboxSpec) -> View:
        return View(agent="", input="", output="", scratch="", socket=None)

    def give(self, spec: SandboxSpec, path: Path) -> None:
        raise OSError(self._reason)

    async def start(self, spec: SandboxSpec) -> SandboxedProcess:
        raise OSError(self._reason)

    async def close(self) -> None:
        """There is nothing to give back."""
