"""Runs small programs in a sandbox for the tests, and tells how they ended."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent_runner.sandbox.port import Exit, Sandbox, SandboxedProcess, SandboxSpec
from penstock.contracts.agent import SandboxLimits
from penstock.contracts.limits import MIB

DEADLINE_S = 30
PYTHON = os.path.realpath(sys.executable)
LIMITS = SandboxLimits(memory_bytes=128 * MIB, processes=16, scratch_bytes=8 * MIB, open_files=64)


@dataclass(frozen=True)
class Outcome:
    exit: Exit
    out: str
    error: str


def spec_for(folder: Path, *command: str, **changes: object) -> SandboxSpec:
    """A spec with folders below `folder`, which everybody may walk through."""
    for part in (folder, *folder.parents):
        if part.is_relative_to("/tmp") and part != Path("/tmp"):
            part.chmod(0o755)
    for name in ("agent", "work", "work/in"):
        (folder / name).mkdir(exist_ok=True)
    spec = SandboxSpec(
        command=command,
        environment={},
        limits=LIMITS,
        slot=5,
        agent_folder=folder / "agent",
        work_folder=folder / "work",
        runtime_folders=(Path(sys.base_prefix).resolve(),),
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def python(folder: Path, source: str, **changes: object) -> SandboxSpec:
    return spec_for(folder, PYTHON, "-I", "-S", "-c", source, **changes)


def shell(folder: Path, source: str, **changes: object) -> SandboxSpec:
    return spec_for(folder, "/bin/sh", "-c", source, **changes)


async def finish(process: SandboxedProcess, stdin: bytes = b"") -> Outcome:
    async with asyncio.timeout(DEADLINE_S):
        process.stdin.write(stdin)
        process.stdin.close()
        out, error = await asyncio.gather(process.stdout.read(), process.stderr.read())
        return Outcome(await process.wait(), out.decode(), error.decode())


async def run(sandbox: Sandbox, spec: SandboxSpec, stdin: bytes = b"") -> Outcome:
    return await finish(await sandbox.start(spec), stdin)


def processes_named(mark: str) -> list[int]:
    """Processes of the machine with `mark` in their command line."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if mark in _text(path)]


async def gone(mark: str) -> bool:
    """Whether processes with `mark` in their command line end soon."""
    async with asyncio.timeout(DEADLINE_S):
        while processes_named(mark):
            await asyncio.sleep(0.01)
    return True


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Variables of the host's environment for a while."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
