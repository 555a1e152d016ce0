"""What this machine offers to the sandbox: looked at once, by trying it."""

import asyncio
import os
import shutil

from agent_runner.sandbox.bwrap import UID_FIRST, Host
from agent_runner.sandbox.cgroup import Cgroups, detect

_TRIAL_DEADLINE_S = 5.0  # a bwrap that takes longer to start `true` is of no use


async def survey() -> Host:
    """Raises FileNotFoundError without bubblewrap; what does not work is then found by the probe."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bubblewrap is not installed (Debian: apt-get install bubblewrap)")
    drops = os.geteuid() == 0 and _maps_every_uid()
    cgroups = detect()
    if isinstance(cgroups, Cgroups):
        cgroups.sweep()
    return Host(bwrap, drops, await _mounts_proc(bwrap, drops=drops), cgroups)


def _maps_every_uid() -> bool:
    """In a container with mapped users root is a user of the host, and other uids may not exist."""
    with open("/proc/self/uid_map") as file:
        rows = [tuple(map(int, line.split())) for line in file]
    return any(first <= UID_FIRST and UID_FIRST + 2**28 <= first + length for first, _, length in rows)


async def _mounts_proc(bwrap: str, *, drops: bool) -> bool:
    user = [] if drops else ["--unshare-user"]
    trial = await asyncio.create_subprocess_exec(
        *(bwrap, *user, "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asyncio.wait_for(trial.wait(), _TRIAL_DEADLINE_S) == 0
