"""What this machine offers to the sandbox: looked at once, by trying it."""

import asyncio
import shutil

from agent_runner.sandbox.cgroup import Cgroups, detect
from agent_runner.sandbox.command import Host
from agent_runner.sandbox.users import drops_from_root

_TRIAL_DEADLINE_S = 5.0  # a bwrap that takes longer to start `true` is of no use


async def survey() -> Host:
    """Raises FileNotFoundError without bubblewrap; what does not work is then found by the probe."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bubblewrap is not installed (Debian: apt-get install bubblewrap)")
    drops = drops_from_root()
    cgroups = detect()
    if isinstance(cgroups, Cgroups):
        cgroups.sweep()
    return Host(bwrap, drops, await _mounts_proc(bwrap, drops=drops), cgroups)


async def _mounts_proc(bwrap: str, *, drops: bool) -> bool:
    user = [] if drops else ["--unshare-user"]
    trial = await asyncio.create_subprocess_exec(
        *(bwrap, *user, "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asyncio.wait_for(trial.wait(), _TRIAL_DEADLINE_S) == 0
