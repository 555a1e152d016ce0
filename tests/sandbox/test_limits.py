"""What an agent gets when it uses more than it may, in every tier that confines."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent_runner.sandbox import watch
from agent_runner.sandbox.bwrap import BwrapSandbox
from agent_runner.sandbox.command import Host
from agent_runner.sandbox.port import Sandbox
from penstock.contracts.limits import MIB
from tests.sandbox.conftest import NO_CGROUPS
from tests.sandbox.programs import LIMITS, python, run, shell, spec_for

pytestmark = pytest.mark.sandbox

_ALLOCATE_4_GB = "const kept = []; for (let i = 0; i < 4096; i++) kept.push(Buffer.alloc(1 << 20, 1))"
_FORK_BOMB = "bomb() { bomb | bomb & }; bomb; sleep 0.5; echo survived"


async def test_allocating_4_gb_ends_the_program_and_names_the_limit(
    bwrap: BwrapSandbox, folder: Path
) -> None:
    source = "kept = [bytearray(1 << 20) for _ in range(4096)]"

    outcome = await run(bwrap, python(folder, source))

    assert outcome.exit.breach == "out of memory (limit 128 MiB)"
    assert (outcome.exit.code, outcome.exit.signal) == (None, 9)


async def test_allocating_4_gb_ends_node_in_every_tier(sandbox: Sandbox, folder: Path) -> None:
    outcome = await run(sandbox, spec_for(folder, "/usr/bin/node", "-e", _ALLOCATE_4_GB))

    assert outcome.exit.code != 0
    assert outcome.exit.breach == "out of memory (limit 128 MiB)"


async def test_memory_that_forked_processes_share_counts_once(host: Host, folder: Path) -> None:
    """Where no control group counts, a loaded model must not be counted for each attempt that is forked from it."""
    sandbox = BwrapSandbox(replace(host, cgroups=NO_CGROUPS))
    source = """
import os, time
loaded = bytearray(b"x") * (60 << 20)
children = [os.fork(), os.fork()]  # four processes
time.sleep(0.8)
if all(children):
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    print("done")
"""

    outcome = await run(sandbox, python(folder, source))
    await sandbox.close()

    assert (outcome.exit.breach, outcome.out) == (None, "done\n")


async def test_forking_without_end_is_stopped(sandbox: Sandbox, folder: Path) -> None:
    if sandbox.details["user"] == "a user namespace" and "cgroup" not in sandbox.details["processes"]:
        pytest.skip("a runner that is root and has no cgroups uses a uid for each slot")
    started = time.monotonic()

    outcome = await run(sandbox, shell(folder, _FORK_BOMB))

    assert time.monotonic() - started < 20
    refused = "Cannot fork" in outcome.error or "Resource temporarily unavailable" in outcome.error
    assert refused or outcome.exit.breach == "too many processes (limit 16)"


async def test_a_full_scratch_folder_is_an_error_to_the_program(bwrap: BwrapSandbox, folder: Path) -> None:
    outcome = await run(
        bwrap, shell(folder, "for i in 1 2 3 4; do head -c 3M /dev/zero > /tmp/$i || exit 3; done")
    )

    assert outcome.exit.code == 3
    assert "No space left on device" in outcome.error


async def test_shared_memory_is_limited(bwrap: BwrapSandbox, folder: Path) -> None:
    fill = "for i in 1 2 3 4; do head -c 3M /dev/zero > /dev/shm/$i || exit 3; done"

    outcome = await run(bwrap, shell(folder, fill))

    assert outcome.exit.code == 3


async def test_one_file_too_large_is_stopped_exactly(sandbox: Sandbox, folder: Path) -> None:
    spec = shell(folder, 'head -c 30M /dev/zero > "$0"/large')
    spec = replace(spec, command=(*spec.command, sandbox.view(spec).output))

    outcome = await run(sandbox, spec)

    assert outcome.exit.code != 0
    assert (spec.work_folder / "out" / "large").stat().st_size <= LIMITS.scratch_bytes


async def test_too_much_output_ends_the_program_and_names_the_limit(sandbox: Sandbox, folder: Path) -> None:
    write = 'for i in 1 2 3 4 5; do head -c 3M /dev/zero > "$0"/$i; done; sleep 60'
    spec = shell(folder, write)
    spec = replace(spec, command=(*spec.command, sandbox.view(spec).output))

    outcome = await run(sandbox, spec)

    assert outcome.exit.breach == "too much written to its folders (limit 8 MiB)"


async def test_too_much_output_is_noticed_after_a_quick_end(bwrap: BwrapSandbox, folder: Path) -> None:
    write = "for i in 1 2 3 4 5; do head -c 3M /dev/zero > /out/$i; done"

    outcome = await run(bwrap, shell(folder, write))

    assert outcome.exit.breach == "too much written to its folders (limit 8 MiB)"


async def test_too_many_files_end_the_program(
    bwrap: BwrapSandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "OUT_FILES_MAX", 100)
    write = "i=0; while [ $i -lt 200 ]; do : > /out/$i; i=$((i+1)); done; sleep 60"

    outcome = await run(bwrap, shell(folder, write))

    assert outcome.exit.breach == "too many files in its folders (limit 100)"


async def test_open_files_are_limited(bwrap: BwrapSandbox, folder: Path) -> None:
    outcome = await run(bwrap, python(folder, "kept = [open('/dev/null') for _ in range(100)]"))

    assert "Too many open files" in outcome.error


async def test_memory_files_are_not_to_be_had_where_nobody_counts_them(host: Host, folder: Path) -> None:
    sandbox = BwrapSandbox(replace(host, cgroups=NO_CGROUPS))

    outcome = await run(sandbox, python(folder, "import os; os.memfd_create('x')"))

    await sandbox.close()
    assert "Function not implemented" in outcome.error


async def test_use_of_cpu_and_memory_is_told(bwrap: BwrapSandbox, folder: Path) -> None:
    source = (
        "kept = bytearray(50 << 20)\nfor i in range(0, len(kept), 4096): kept[i] = 1\nsum(range(2_000_000))"
    )

    outcome = await run(bwrap, python(folder, source))

    assert outcome.exit.memory_bytes is not None
    assert 50 * MIB < outcome.exit.memory_bytes < 128 * MIB
    assert outcome.exit.cpu_s is not None
    assert 0.01 < outcome.exit.cpu_s < 10
