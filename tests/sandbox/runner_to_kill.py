"""A process that starts a sandboxed program with a daemon and waits: `python -m … TIER FOLDER MARK`."""

import asyncio
import sys
from pathlib import Path

from agent_runner.sandbox.port import Tier
from agent_runner.sandbox.tiers import open_sandbox
from tests.sandbox.programs import shell


async def main() -> None:
    tier, folder, mark = sys.argv[1:]
    sandbox = await open_sandbox(Tier(tier))
    daemon = f"setsid sh -c 'trap \"\" TERM HUP; echo ready; while true; do sleep 0.1; done # {mark}'"
    process = await sandbox.start(shell(Path(folder), f"({daemon} &) & sleep 60 # {mark}"))
    await process.stdout.readline()
    print("ready", flush=True)
    await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
