"""What a sandbox adds to the start of a program: `python benchmarks/sandbox_start.py [ROUNDS]`.

One JSON line for each way to start `python -I -S -c pass`: median milliseconds, and how many above a plain exec.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from agent_runner.sandbox.bwrap import BwrapSandbox
from agent_runner.sandbox.port import Sandbox, SandboxSpec, Tier
from agent_runner.sandbox.survey import survey
from agent_runner.sandbox.tiers import open_sandbox
from penstock.contracts.agent import SandboxLimits

_PROGRAM = (os.path.realpath(sys.executable), "-I", "-S", "-c", "pass")


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    plain = await _median_ms(_plain, rounds)
    print(json.dumps({"way": "plain", "ms": plain}))
    host = await survey()
    ways: dict[str, Sandbox] = {
        "bwrap": BwrapSandbox(host),
        "bwrap, user namespace": BwrapSandbox(replace(host, drops_from_root=False)),
        "landlock": await open_sandbox(Tier.LANDLOCK),
        "none": await open_sandbox(Tier.NONE),
    }
    for way, sandbox in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            spec = _spec(Path(folder))
            try:
                median = await _median_ms(partial(_sandboxed, sandbox, spec), rounds)
                print(json.dumps({"way": way, "ms": median, "above_plain_ms": round(median - plain, 1)}))
            except OSError as error:
                print(json.dumps({"way": way, "error": str(error)}))
        await sandbox.close()


async def _median_ms(start: Callable[[], Awaitable[None]], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        await start()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 1)


async def _plain() -> None:
    process = await asyncio.create_subprocess_exec(*_PROGRAM)
    await process.wait()


async def _sandboxed(sandbox: Sandbox, spec: SandboxSpec) -> None:
    process = await sandbox.start(spec)
    process.stdin.close()
    _, error = await asyncio.gather(process.stdout.read(), process.stderr.read())
    if (await process.wait()).code != 0:
        raise OSError(error.decode().strip())


def _spec(folder: Path) -> SandboxSpec:
    folder.chmod(0o755)
    return SandboxSpec(
        command=_PROGRAM,
        environment={},
        limits=SandboxLimits(),
        slot=0,
        agent_folder=folder,
        work_folder=folder,
        runtime_folders=(Path(sys.base_prefix).resolve(),),
    )


if __name__ == "__main__":
    asyncio.run(main())
