"""reuse: never, for programs of any language: exit codes, stacks, limits, and programs that do not obey."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_runner.modes.port import Cancellation
from penstock.contracts.failure import ErrorClass
from tests.modes.builders import RUN, Bench, limits, output, plain_bench


@pytest.fixture
async def tested(tmp_path: Path) -> AsyncIterator[Bench]:
    async with plain_bench(tmp_path) as prepared:
        yield prepared


def shell(tested: Bench, script: str, **changes: object):  # type: ignore[no-untyped-def]
    return tested.manifest("sh", "-c", script, **changes)


async def test_a_filter_is_an_agent(tested: Bench) -> None:
    ended = await tested.run(shell(tested, "cat; echo noted >&2"), {"a": [1, "ü"]})

    assert output(ended) == {"a": [1, "ü"]}
    assert tested.lines == ["noted"]


async def test_a_program_need_not_read_its_input(tested: Bench) -> None:
    ended = await tested.run(shell(tested, "echo '{}'"), {"big": "x" * 250_000})

    assert output(ended) == {}


async def test_the_environment_is_that_of_the_attempt_and_nothing_else(tested: Bench, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "leak")
    attempt = tested.attempt(shell(tested, "env >&2; echo 1"))

    await tested.run_attempt(attempt)

    seen = dict(line.split("=", 1) for line in tested.lines)
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert (seen["PENSTOCK_RUN"], seen["PENSTOCK_NODE"], seen["PENSTOCK_ATTEMPT"]) == (str(RUN), "scan", "2")
    assert seen["PENSTOCK_IDEMPOTENCY_KEY"] == f"{RUN}/scan"
    assert seen["PENSTOCK_ATTEMPT_KEY"] == attempt.attempt_key
    assert (seen["PENSTOCK_IN"], seen["PENSTOCK_OUT"]) == (attempt.folders.seen_in, attempt.folders.seen_out)
    assert "PENSTOCK_DEADLINE" in seen


@pytest.mark.parametrize(
    ("script", "type_", "class_", "message"),
    [
        ("exit 75", "ExitCode", ErrorClass.TEMPORARY, "exit code 75"),
        ("echo busy >&2; exit 75", "ExitCode", ErrorClass.TEMPORARY, "busy"),
        ("echo 'disk is on fire' >&2; exit 3", "ExitCode", ErrorClass.ERROR, "exit code 3\ndisk is on fire"),
        ("echo 'only here'; exit 3", "ExitCode", ErrorClass.ERROR, "exit code 3\nonly here"),
        (
            """echo '{"error": {"type": "Busy", "message": "wait", "class": "rate_limit"}}'; exit 1""",
            "Busy",
            ErrorClass.RATE_LIMIT,
            "wait",
        ),
        ("""echo note; echo '{"error": {"message": "m"}}'; exit 1""", "Error", ErrorClass.ERROR, "m"),
        ("""echo '{"error": {"type": "X", "class": "nonsense"}}'; exit 1""", "X", ErrorClass.ERROR, "X"),
        ("echo 'no json'", "InvalidOutput", ErrorClass.VALIDATION, "stdout begins with: no json"),
        ("true", "InvalidOutput", ErrorClass.VALIDATION, "printed nothing"),
        ("echo '{\"a\": NaN}'", "InvalidOutput", ErrorClass.VALIDATION, "no JSON document"),
        ("kill -SEGV $$", "Killed", ErrorClass.ERROR, "SIGSEGV"),
        ("kill -SYS $$", "Killed", ErrorClass.RESOURCE, "system call that the sandbox refuses"),
        ("exec nothing-of-that-name", "ExitCode", ErrorClass.ERROR, "nothing-of-that-name"),
    ],
)
async def test_an_end_without_output_is_a_failure_that_says_why(
    tested: Bench, script: str, type_: str, class_: ErrorClass, message: str
) -> None:
    failure = (await tested.run(shell(tested, script))).failure

    assert failure is not None
    assert (failure.type, failure.error_class) == (type_, class_)
    assert message in failure.message


async def test_a_command_that_does_not_exist_is_said_so(tested: Bench) -> None:
    failure = (await tested.run(tested.manifest("no-such-program"))).failure

    assert failure is not None
    assert "no-such-program" in failure.message


async def test_a_python_stack_is_kept(tested: Bench) -> None:
    program = "import json\nprint('working')\ndef load():\n    return {}['colour']\nload()\n"

    failure = (await tested.run(tested.manifest("python", "-c", program))).failure

    assert failure is not None
    assert (failure.type, failure.message) == ("KeyError", "'colour'")
    assert failure.stack is not None
    assert "in load" in failure.stack


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
async def test_a_node_stack_is_kept(tested: Bench) -> None:
    program = "function load() { throw new RangeError('too far') }; load()"

    failure = (await tested.run(tested.manifest(str(shutil.which("node")), "-e", program))).failure

    assert failure is not None
    assert (failure.type, failure.message) == ("RangeError", "too far")
    assert failure.stack is not None
    assert "at load" in failure.stack


async def test_ten_megabytes_on_stdout_end_the_program_at_the_limit(tested: Bench) -> None:
    script = "head -c 10000000 /dev/zero | tr '\\0' x; sleep 60"

    ended = await tested.run(shell(tested, script, sandbox=limits(output_bytes=1_000)))

    assert ended.failure is not None
    assert (ended.failure.type, ended.failure.error_class) == ("OutputTooLarge", ErrorClass.RESOURCE)
    assert "1,000 bytes" in ended.failure.message
    assert ended.seconds < 20


async def test_a_program_that_ignores_sigterm_is_killed(tested: Bench) -> None:
    script = "trap '' TERM; echo ready >&2; while :; do sleep 0.05; done"

    ended = await tested.run(shell(tested, script), timeout_s=0.5)

    assert ended.failure is not None
    assert ended.failure.error_class is ErrorClass.TIMEOUT
    assert 2.4 < ended.seconds < 10


async def test_a_cancelled_program_may_tidy_up(tested: Bench) -> None:
    script = "trap 'echo tidied >&2; exit 0' TERM; echo ready >&2; while :; do sleep 0.05; done"
    cancelled = Cancellation()
    running = asyncio.create_task(tested.run(shell(tested, script), cancelled=cancelled))
    await tested.first_line.wait()

    cancelled.set()
    ended = await running

    assert ended.failure is not None
    assert ended.failure.type == "Cancelled"
    assert "tidied" in tested.lines


async def test_an_abandoned_attempts_program_is_gone(tested: Bench) -> None:
    running = asyncio.create_task(tested.run(shell(tested, "echo $$ >&2; exec sleep 60")))
    await tested.first_line.wait()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    with pytest.raises(ProcessLookupError):
        os.kill(int(tested.lines[0]), 0)


async def test_many_lines_arrive_in_order(tested: Bench) -> None:
    await tested.run(shell(tested, "seq 1 20000 >&2; printf last >&2; echo 1"))

    assert tested.lines == [*map(str, range(1, 20_001)), "last"]


async def test_a_line_without_end_is_cut(tested: Bench) -> None:
    await tested.run(
        shell(tested, "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo after >&2; echo 1")
    )

    assert tested.lines[0].endswith("[line cut]")
    assert tested.lines[1:] == ["after"]


async def test_folders_of_an_attempt_are_its_own(tested: Bench) -> None:
    first = tested.attempt(shell(tested, "echo 1"))
    second = tested.attempt(shell(tested, "echo 1"))

    assert first.folders.work != second.folders.work
    assert not first.folders.work.exists()


async def test_closing_ends_what_runs(tested: Bench) -> None:
    running = asyncio.create_task(tested.run(shell(tested, "echo up >&2; exec sleep 60")))
    await tested.first_line.wait()
    began = time.monotonic()

    await tested.modes.close()

    assert (await running).failure is not None
    assert time.monotonic() - began < 10
