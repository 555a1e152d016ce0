"""What a sandbox must do: start a program that can reach only what its spec names, and tell how it ended."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from penstock.contracts.agent import SandboxLimits


class Tier(StrEnum):
    """How strong a sandbox is, strongest first. A weaker one is chosen by name, never silently."""

    BWRAP = "bwrap"  # namespaces, seccomp, rlimits, cgroup where there is one
    LANDLOCK = "landlock"  # Landlock, seccomp, rlimits: for places without user namespaces
    NONE = "none"  # a plain process: for development on a machine that can enforce nothing


@dataclass(frozen=True)
class SandboxSpec:
    """One program to run. Paths on the left of a mapping are the host's, on the right the sandbox's."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: SandboxLimits
    slot: int  # 0-based; each slot has a uid of its own where the runner may choose one
    agent_folder: Path  # read-only, the working directory
    work_folder: Path  # the host's folder of this sandbox: in/ (read-only at /in), out/ (writable at /out)
    socket: Path | None = None  # the gateway's unix socket, bound into the sandbox
    runtime_folders: tuple[Path, ...] = field(default=())  # read-only at the same path: interpreter, packages


@dataclass(frozen=True)
class Exit:
    """How the program ended. Exactly one of `code` and `signal` is set."""

    code: int | None
    signal: int | None
    cpu_s: float | None = None
    memory_bytes: int | None = None
    breach: str | None = None  # the limit that the sandbox enforced by ending it, in words, if one


class SandboxedProcess(Protocol):
    """A program in its sandbox. The three streams are pipes."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> asyncio.StreamWriter: ...
    @property
    def stdout(self) -> asyncio.StreamReader: ...
    @property
    def stderr(self) -> asyncio.StreamReader: ...

    async def wait(self) -> Exit: ...

    def terminate(self) -> None:
        """SIGTERM to the program; it may ignore it."""

    def kill(self) -> None:
        """End everything in the sandbox, at once, whatever it does."""


class Sandbox(Protocol):
    """One tier on this machine."""

    @property
    def tier(self) -> Tier: ...

    async def start(self, spec: SandboxSpec) -> SandboxedProcess: ...
