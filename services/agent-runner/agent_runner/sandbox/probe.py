"""The runner's test of its own sandbox before it takes work: try to escape and to exceed; fail closed."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import agent_runner
from agent_runner.sandbox.bait import Bait, laid_out
from agent_runner.sandbox.port import Exit, Sandbox, SandboxSpec, Tier
from agent_runner.sandbox.tiers import open_sandbox
from penstock.contracts.agent import SandboxLimits
from penstock.contracts.limits import MIB

DEADLINE_S = 20.0  # a loaded machine takes its time; an idle one needs half a second
_LIMITS = SandboxLimits(memory_bytes=64 * MIB, processes=12, scratch_bytes=4 * MIB)
_CANNOT_START = "not start a program"
_NOT_RUN = (126, 127)  # the program could not be started or found
_SHELL_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG")

# What a tier cannot hold by its nature. Whoever names the tier in the settings accepts these, and is told.
_GAPS: Mapping[Tier, Mapping[str, str]] = {
    Tier.BWRAP: {},
    Tier.LANDLOCK: {
        "connect to a socket file of the host": "Landlock does not guard socket files: the modes of the"
        " host's own sockets must"
    },
    Tier.NONE: {},
}

_HINTS = {
    _CANNOT_START: "`penstock doctor` says what this machine lacks",
    "exceed its memory": "delegate the memory controller to the runner (systemd: Delegate=yes)",
    "exceed its processes": "delegate the pids controller to the runner (systemd: Delegate=yes)",
    "signal a process of the host": "Linux 6.12 confines signals in tier landlock; or run the runner as root",
}
_CLOSED_HINT = (
    "the agent's own uid cannot reach that file: install Python and the agents outside of /root, or run the"
    " runner as an unprivileged user"
)
_HINT = "take no untrusted work on this machine; use tier bwrap, and report this escape"


@dataclass(frozen=True)
class Check:
    """One attempt to get out. `accepted` marks a gap that the tier is known to have."""

    name: str
    held: bool
    detail: str
    hint: str = ""
    accepted: bool = False


@dataclass(frozen=True)
class Report:
    """What the tier withstood on this machine, and what enforces each of its limits."""

    tier: Tier
    checks: tuple[Check, ...]
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.held and not check.accepted)

    @property
    def holds(self) -> bool:
        """Whether the runner may take work."""
        return not self.failures

    def message(self) -> str:
        """One line for the log, or what got through and what to change, line by line."""
        if self.holds:
            return f"sandbox tier {self.tier} withstood {len(self.checks)} attempts"
        lines = [f"sandbox tier {self.tier} does not hold, so no work is taken:"]
        for check in self.failures:
            lines.append(f"  an agent could {check.name}: {check.detail}")
            lines.append(f"    {check.hint}")
        return "\n".join(lines)


async def probe(tier: Tier) -> Report:
    """Open the tier as the runner will, attack it, and report. Never raises for what a machine lacks."""
    try:
        sandbox = await open_sandbox(tier)
    except OSError as error:
        return Report(tier, (Check(_CANNOT_START, False, str(error), _HINTS[_CANNOT_START]),))
    try:
        return await attack(sandbox)
    finally:
        await sandbox.close()


async def attack(sandbox: Sandbox) -> Report:
    """Run the battery in `sandbox`. Tier none promises nothing and is not tried."""
    if sandbox.tier is Tier.NONE:
        return Report(sandbox.tier, (), sandbox.details)
    escapes, *bombs = await asyncio.gather(
        _escapes(sandbox),
        _bomb(sandbox, 1, "exceed its memory", "memory", "256"),
        _bomb(sandbox, 2, "exceed its processes", "processes", "40"),
        _bomb(sandbox, 3, "exceed its scratch space", "files", "8"),
    )
    # Where nothing could be started, the bombs' answers mean nothing either.
    started = all(check.name != _CANNOT_START for check in escapes)
    return Report(sandbox.tier, (*escapes, *bombs) if started else escapes, sandbox.details)


async def _escapes(sandbox: Sandbox) -> tuple[Check, ...]:
    async with laid_out() as bait, _spec(sandbox, 0, "agent_runner.sandbox.attack") as spec:
        variables = (*_SHELL_VARIABLES, *spec.environment)
        targets = json.dumps(asdict(bait.targets(sandbox.view(spec), variables)))
        ending, out, error = await run(sandbox, spec, targets.encode())
        answers = [json.loads(line) for line in out.splitlines()]
        checks = [_judged(sandbox.tier, bait, **answer) for answer in answers]
        if ending.code != 0 or not checks:
            detail = error.decode(errors="replace").strip() or f"the attack ended with {ending}"
            hint = _CLOSED_HINT if "Permission denied" in detail else _HINTS[_CANNOT_START]
            checks.append(Check(_CANNOT_START, False, detail, hint))
        return tuple(checks)


def _judged(tier: Tier, bait: Bait, *, name: str, held: bool, detail: str) -> Check:
    if name == "signal a process of the host":
        held = bait.lives()  # the attacker cannot tell whose process it hit
    gap = _GAPS[tier].get(name)
    hint = gap or _HINTS.get(name, _HINT)
    return Check(name, held, detail, "" if held else hint, accepted=gap is not None)


async def _bomb(sandbox: Sandbox, slot: int, name: str, *arguments: str) -> Check:
    async with _spec(sandbox, slot, "agent_runner.sandbox.attack.bombs", *arguments) as spec:
        ending, _, error = await run(sandbox, spec, b"")
    ran = ending.started and ending.code not in _NOT_RUN
    held = ran and (ending.breach is not None or ending.code != 0)
    last = error.decode(errors="replace").strip().rpartition("\n")[2]
    return Check(name, held, ending.breach or last or str(ending), "" if held else _HINTS.get(name, _HINT))


async def run(sandbox: Sandbox, spec: SandboxSpec, stdin: bytes) -> tuple[Exit, bytes, bytes]:
    """Start, feed, read to the end, wait; kill at the deadline."""
    process = await sandbox.start(spec)
    try:
        async with asyncio.timeout(DEADLINE_S):
            process.stdin.write(stdin)
            process.stdin.close()
            out, error = await asyncio.gather(process.stdout.read(), process.stderr.read())
            return await process.wait(), out, error
    except TimeoutError:
        process.kill()
        return replace(await process.wait(), breach=None), b"", b"no end within the deadline"


@asynccontextmanager
async def _spec(sandbox: Sandbox, slot: int, *module: str) -> AsyncIterator[SandboxSpec]:
    """A spec that runs a module of this package, in a work folder of its own."""
    package, python, runtime = _interpreter()
    folder = Path(tempfile.mkdtemp(prefix="penstock-probe-"))
    os.chmod(folder, 0o755)
    os.mkdir(folder / "agent", mode=0o755)
    try:
        yield SandboxSpec(
            command=(python, "-S", "-B", "-m", *module),
            environment={"PYTHONPATH": str(package)},
            limits=_LIMITS,
            slot=slot,
            agent_folder=folder / "agent",
            work_folder=folder,
            runtime_folders=(runtime, package),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _interpreter() -> tuple[Path, str, Path]:
    """Where our package, the interpreter and its library are; without our virtual environment."""
    package = Path(agent_runner.__file__).parent.parent
    return package, os.path.realpath(sys.executable), Path(sys.base_prefix).resolve()
