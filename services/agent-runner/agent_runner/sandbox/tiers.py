"""Opens the sandbox of the tier that the settings name."""

from collections.abc import Iterable
from typing import assert_never

from agent_runner.sandbox.bwrap import BwrapSandbox, sweep_folders
from agent_runner.sandbox.cgroup import Cgroups, detect
from agent_runner.sandbox.launched import LaunchedSandbox
from agent_runner.sandbox.port import Sandbox, Tier
from agent_runner.sandbox.survey import survey


async def open_sandbox(tier: Tier, *, networks: Iterable[str] = ()) -> Sandbox:
    """The named tier on this machine, or OSError that says what it lacks. Never another tier.

    `networks` ("10.1.0.0/16") are private ones that an agent's `network` list may nevertheless lead to.
    """
    match tier:
        case Tier.BWRAP:
            host = await survey()
            sweep_folders()
            return BwrapSandbox(host, networks=networks)
        case Tier.LANDLOCK | Tier.NONE:
            cgroups = detect()
            if isinstance(cgroups, Cgroups):
                cgroups.sweep()
            return LaunchedSandbox(tier, cgroups)
        case _:
            assert_never(tier)
