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
    """One program to run.

    `work_folder` may have `in/` and `out/`: `start` makes what is missing and gives `out/` to the slot's uid.
    What lies in `in/` and in the agent's folder must be readable by others: the program has a uid of its own.
    What lies in `out/` afterwards is not to be trusted: a symbolic link may point anywhere on the host.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: SandboxLimits
    slot: int  # 0-based; each slot has a uid of its own where the runner may choose one
    agent_folder: Path  # read-only, the working directory
    work_folder: Path  # the host's folder of this sandbox: in/ (read-only), out/ (writable)
    socket: Path | None = None  # the gateway's unix socket, reachable in the sandbox
    runtime_folders: tuple[Path, ...] = field(default=())  # read-only at the same path: interpreter, packages
    # Where the gateway is reachable over TCP, too, for clients that know no unix socket. Only a tier with a network
    # namespace can give it: anybody on the host reaches the host's own loopback.
    gateway_port: int | None = None


@dataclass(frozen=True)
class View:
    """Where the program sees what its spec names: fixed paths under bwrap, the host's own in weaker tiers."""

    agent: str
    input: str
    output: str
    scratch: str  # private and limited in size; TMPDIR and HOME
    socket: str | None


@dataclass(frozen=True)
class Exit:
    """How the program ended. Exactly one of `code` and `signal` is set."""

    code: int | None
    signal: int | None
    cpu_s: float | None = None
    memory_bytes: int | None = None  # the peak
    breach: str | None = None  # the limit that the sandbox enforced by ending it, in words, if one
    started: bool = True  # False: the sandbox could not be set up, and stderr says why


class SandboxedProcess(Protocol):
    """A program in its sandbox. The three streams are pipes; `wait` does not depend on their being read."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> asyncio.StreamWriter: ...
    @property
    def stdout(self) -> asyncio.StreamReader: ...
    @property
    def stderr(self) -> asyncio.StreamReader: ...

    async def wait(self) -> Exit:
        """Wait until nothing of the sandbox runs any more. May be called more than once."""

    def terminate(self) -> None:
        """SIGTERM to the program; it may ignore it."""

    def kill(self) -> None:
        """End everything in the sandbox, at once, whatever it does."""


class Sandbox(Protocol):
    """One tier on this machine."""

    @property
    def tier(self) -> Tier: ...

    @property
    def details(self) -> Mapping[str, str]:
        """What enforces each limit here, in words: memory, processes, output, user, files, network."""

    def view(self, spec: SandboxSpec) -> View:
        """Where the program will see its folders; known before the start, for its input names them."""

    def give(self, spec: SandboxSpec, path: Path) -> None:
        """Let the program of `spec` own a folder that was made below `out/` after its start."""

    async def start(self, spec: SandboxSpec) -> SandboxedProcess: ...

    async def close(self) -> None:
        """Give back what this sandbox keeps on the host. What runs in it must have ended before."""
