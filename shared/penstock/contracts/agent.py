"""What an agent is: its manifest (`agent.yaml`), as values (design §7)."""

from enum import StrEnum

import msgspec

from penstock.contracts.limits import MIB, OUTPUT_BYTES_MAX
from penstock.contracts.workflow import Json

EXIT_TRY_AGAIN = 75  # sysexits.h EX_TEMPFAIL


class Reuse(StrEnum):
    """How often a sandbox serves. One project never shares a worker with another, whatever the mode."""

    NEVER = "never"  # one sandbox for each attempt
    FORK = "fork"  # a sandboxed worker that has loaded the agent forks for each attempt
    PROCESS = "process"  # one sandboxed worker serves attempt after attempt, over a pipe


class SandboxLimits(msgspec.Struct, frozen=True):
    """What an agent may use. Sizes in bytes."""

    network: tuple[str, ...] = ()  # "host:port", reached through the runner's proxy; empty: none
    memory_bytes: int = 512 * MIB
    processes: int = 64
    scratch_bytes: int = 256 * MIB
    output_bytes: int = OUTPUT_BYTES_MAX
    open_files: int = 1024


class AgentManifest(msgspec.Struct, frozen=True):
    """An agent that a runner offers. `folder` is where its files are on the runner's machine."""

    name: str
    version: str
    command: tuple[str, ...]
    folder: str
    description: str = ""
    input: Json = None  # JSON Schema, or None for anything
    output: Json = None
    sandbox: SandboxLimits = SandboxLimits()
    secrets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()  # names of the operator's models that it may call through its socket
    stores: tuple[str, ...] = ()  # whose tables it may read and write through its socket
    reuse: Reuse = Reuse.NEVER
    concurrency: int = 1  # attempts that one worker serves at once (reuse: fork, process)


class AgentOffer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a runner tells the registry of one agent; `error` when it could not be loaded.

    `secrets`, `models`, `stores` and `network` are what it may reach from its sandbox.
    """

    name: str
    version: str
    description: str = ""
    input: Json = None
    output: Json = None
    reuse: Reuse = Reuse.NEVER
    error: str | None = None
    secrets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    network: tuple[str, ...] = ()  # host:port
