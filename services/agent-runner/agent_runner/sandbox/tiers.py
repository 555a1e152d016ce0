"""Opens the sandbox of the tier that the settings name."""

from agent_runner.sandbox.bwrap import BwrapSandbox
from agent_runner.sandbox.port import Sandbox, Tier
from agent_runner.sandbox.survey import survey


async def open_sandbox(tier: Tier) -> Sandbox:
    """The named tier on this machine, or OSError that says what it lacks. Never another tier."""
    match tier:
        case Tier.BWRAP:
            return BwrapSandbox(await survey())
        case Tier.LANDLOCK | Tier.NONE:
            raise OSError(f"sandbox tier '{tier}' is not available in this build")
