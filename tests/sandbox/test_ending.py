"""How a program ends, what is told of it, and that nothing of it stays behind."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest

from agent_runner.sandbox.bwrap import BwrapSandbox, sweep_folders
from agent_runner.sandbox.cgroup import Cgroups, detect
from agent_runner.sandbox.launched import LaunchedSandbox
from agent_runner.sandbox.port import Sandbox, Tier
from tests.sandbox.programs import DEADLINE_S, finish, gone, processes_named, run, shell, spec_for

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("code", [0, 3, 75, 137, 255])
async def test_the_exit_code_is_the_programs(sandbox: Sandbox, folder: Path, code: int) -> None:
    if code == 137 and not _tells_codes_from_signals(sandbox):
        pytest.skip("this kernel cannot tell exit code 137 from SIGKILL")

    # Long enough for the runner to take hold of the process.
    outcome = await run(sandbox, shell(folder, f"sleep 0.1; exit {code}"))

    assert (outcome.exit.code, outcome.exit.signal, outcome.exit.started) == (code, None, True)


async def test_the_signal_is_the_programs(sandbox: Sandbox, folder: Path) -> None:
    outcome = await run(sandbox, shell(folder, "kill -SEGV $$"))

    assert (outcome.exit.code, outcome.exit.signal) == (None, signal.SIGSEGV)


async def test_an_unknown_program_is_named(sandbox: Sandbox, folder: Path) -> None:
    outcome = await run(sandbox, spec_for(folder, "no-such-program"))

    assert outcome.exit.code == 127
    assert "no-such-program" in outcome.error


async def test_a_sandbox_that_cannot_be_built_says_so(bwrap: BwrapSandbox, folder: Path) -> None:
    outcome = await run(bwrap, shell(folder, "true", runtime_folders=(folder / "missing",)))

    assert not outcome.exit.started
    assert "missing" in outcome.error


async def test_terminate_reaches_the_program(sandbox: Sandbox, folder: Path) -> None:
    process = await sandbox.start(shell(folder, "trap 'echo bye; exit 4' TERM; echo ready; sleep 60 & wait"))
    await process.stdout.readline()

    process.terminate()
    outcome = await finish(process)

    assert (outcome.exit.code, outcome.out) == (4, "bye\n")


async def test_a_program_that_ignores_sigterm_is_killed(sandbox: Sandbox, folder: Path) -> None:
    mark = str(uuid4())
    ignore = f"trap '' TERM; echo ready; while true; do sleep 0.1; done # {mark}"
    process = await sandbox.start(shell(folder, ignore))
    await process.stdout.readline()

    process.terminate()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.wait(), 0.3)
    process.kill()
    outcome = await finish(process)

    assert outcome.exit.signal == signal.SIGKILL
    assert processes_named(mark) == []


async def test_a_daemon_that_forked_twice_ends_with_the_program(sandbox: Sandbox, folder: Path) -> None:
    mark = str(uuid4())
    daemon = f"setsid sh -c 'trap \"\" TERM HUP; while true; do sleep 0.1; done # {mark}'"
    leave = f"({daemon} </dev/null >/dev/null 2>&1 &) & sleep 0.3; echo left"

    outcome = await run(sandbox, shell(folder, leave))

    assert outcome.out == "left\n"
    assert processes_named(f"{mark}'") + processes_named(f"# {mark}") == []


async def test_a_killed_program_takes_its_daemons_along(sandbox: Sandbox, folder: Path) -> None:
    mark = str(uuid4())
    daemon = f"setsid sh -c 'trap \"\" TERM HUP; echo ready; while true; do sleep 0.1; done # {mark}'"
    process = await sandbox.start(shell(folder, f"({daemon} &) & sleep 60"))
    await process.stdout.readline()

    process.kill()
    outcome = await finish(process)

    assert outcome.exit.signal == signal.SIGKILL
    assert processes_named(mark) == []


async def test_waiting_does_not_need_a_reader(sandbox: Sandbox, folder: Path) -> None:
    """A program that has filled its pipe is killed: `wait` returns though nobody reads."""
    process = await sandbox.start(shell(folder, "echo ready; yes"))
    await process.stdout.readline()

    process.kill()
    ending = await asyncio.wait_for(process.wait(), DEADLINE_S)

    assert ending.signal == signal.SIGKILL


async def test_a_kill_right_after_the_start_works(sandbox: Sandbox, folder: Path) -> None:
    mark = str(uuid4())
    process = await sandbox.start(shell(folder, f"sleep 60 # {mark}"))

    process.kill()
    ending = await asyncio.wait_for(process.wait(), DEADLINE_S)

    assert ending.code != 0
    assert processes_named(mark) == []


async def test_waiting_twice_gives_the_same_answer(sandbox: Sandbox, folder: Path) -> None:
    process = await sandbox.start(shell(folder, "exit 3"))

    assert await process.wait() == await process.wait()


@pytest.mark.parametrize("tier", [Tier.BWRAP, Tier.LANDLOCK])
async def test_a_killed_runner_takes_its_sandboxes_along(folder: Path, tier: Tier) -> None:
    mark = str(uuid4())
    runner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.sandbox.runner_to_kill", tier, str(folder), mark),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert runner.stdout is not None
    assert await asyncio.wait_for(runner.stdout.readline(), DEADLINE_S) == b"ready\n"
    assert processes_named(f"# {mark}")

    runner.kill()
    await runner.wait()

    assert await gone(f"# {mark}")
    assert bool(folders_of(runner.pid)) == (tier is Tier.BWRAP)
    sweep_folders()
    assert folders_of(runner.pid) == []


async def test_control_groups_are_given_back(bwrap: BwrapSandbox, folder: Path) -> None:
    groups = detect()
    if not isinstance(groups, Cgroups):
        pytest.skip("no control groups here")

    await run(bwrap, shell(folder, "true"))

    left = [path for parent in groups.parents.values() for path in parent.glob(f"penstock-{os.getpid()}-*")]
    assert left == []


async def test_tier_none_runs_and_ends_a_program(folder: Path) -> None:
    mark = str(uuid4())
    sandbox = LaunchedSandbox(Tier.NONE, detect())
    process = await sandbox.start(
        shell(folder, f"echo hello; (setsid sh -c 'sleep 60 # {mark}' &) & sleep 60")
    )
    assert await process.stdout.readline() == b"hello\n"

    process.kill()
    outcome = await finish(process)

    assert outcome.exit.signal == signal.SIGKILL
    assert processes_named(mark) == []


def folders_of(runner: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"penstock-sandbox-{runner}-*"))


def _tells_codes_from_signals(sandbox: Sandbox) -> bool:
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    return sandbox.tier is Tier.LANDLOCK or release >= (6, 15)
