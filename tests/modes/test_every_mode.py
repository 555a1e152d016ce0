"""What holds for an attempt however its agent is run: one suite over modes and tiers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agent_runner.modes.port import Cancellation
from agent_runner.sandbox.port import Sandbox, Tier
from penstock.contracts.agent import Reuse
from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import LOG_LINE_BYTES_MAX
from tests.modes.builders import RUN, Bench, bench, limits, opened, output

AGENT = """
import asyncio, logging, os, sys, time
from contextlib import AsyncExitStack
from pathlib import Path
from penstock.agents import agent, context, RateLimited, TryAgain

async def act(do: str, n: int):
    match do:
        case "echo": return {"n": n}
        case "know":
            known = [context.run, context.node, context.attempt, context.idempotency_key]
            return [*known, context.deadline is not None]
        case "print":
            print(f"out {n}"); print(f"err {n}", file=sys.stderr); print("x" * 20_000)
            print("no end", end=""); return None
        case "flood":
            for _ in range(700): print("y" * 16_000)
            return None
        case "write":
            (context.out_folder / "report.txt").write_text("hello")
            return {"path": context.out_folder / "report.txt"}
        case "read": return (context.in_folder / "given.txt").read_text()
        case "raise": raise ValueError("no such rule")
        case "again": raise TryAgain("later")
        case "limited": raise RateLimited("slow down")
        case "value": return {"a": [print]}
        case "huge": return "x" * n
        case "stdin": return sys.stdin.read()
        case "sleep":
            print("asleep")
            await WAIT(60)
"""
SYNC = AGENT.replace("async def", "@agent\ndef").replace("await WAIT(60)", "time.sleep(60)")
ASYNC = AGENT.replace("async def", "@agent\nasync def").replace("await WAIT(60)", "await asyncio.sleep(60)")

CASES = [
    pytest.param(SYNC, Reuse.NEVER, 1, Tier.NONE, id="never"),
    pytest.param(SYNC, Reuse.FORK, 1, Tier.NONE, id="fork"),
    pytest.param(ASYNC, Reuse.FORK, 4, Tier.NONE, id="fork-async"),
    pytest.param(SYNC, Reuse.PROCESS, 1, Tier.NONE, id="process"),
    pytest.param(SYNC, Reuse.PROCESS, 4, Tier.NONE, id="process-threads"),
    pytest.param(ASYNC, Reuse.PROCESS, 4, Tier.NONE, id="process-async"),
    pytest.param(SYNC, Reuse.NEVER, 1, Tier.BWRAP, id="never-bwrap", marks=pytest.mark.sandbox),
    pytest.param(SYNC, Reuse.FORK, 1, Tier.BWRAP, id="fork-bwrap", marks=pytest.mark.sandbox),
    pytest.param(ASYNC, Reuse.PROCESS, 4, Tier.BWRAP, id="process-bwrap", marks=pytest.mark.sandbox),
]
pytestmark = pytest.mark.parametrize(("source", "reuse", "concurrency", "tier"), CASES)


class Subject:
    def __init__(self, bench: Bench, source: str, reuse: Reuse, concurrency: int) -> None:
        self.bench = bench
        sandbox = limits(output_bytes=1_000)
        self.manifest = bench.agent(source, reuse=reuse, concurrency=concurrency, sandbox=sandbox)

    async def run(self, do: str, n: int = 0, **options: object):  # type: ignore[no-untyped-def]
        return await self.bench.run(self.manifest, {"do": do, "n": n}, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
async def sandbox_of() -> AsyncIterator[Callable[[Tier], Awaitable[Sandbox]]]:
    """Opens each tier once, when a test first asks for it: not every machine has them all."""
    sandboxes: dict[Tier, Sandbox] = {}

    async def get(tier: Tier) -> Sandbox:
        if tier not in sandboxes:
            sandboxes[tier] = await stack.enter_async_context(opened(tier))
        return sandboxes[tier]

    async with AsyncExitStack() as stack:
        yield get


@pytest.fixture
async def tested(
    tmp_path: Path,
    sandbox_of: Callable[[Tier], Awaitable[Sandbox]],
    source: str,
    reuse: Reuse,
    concurrency: int,
    tier: Tier,
) -> AsyncIterator[Subject]:
    async with bench(tmp_path, await sandbox_of(tier)) as prepared:
        yield Subject(prepared, source, reuse, concurrency)


async def test_many_attempts_at_once_each_get_their_own_result(tested: Subject) -> None:
    ended = await asyncio.gather(*(tested.run("echo", n) for n in range(12)))

    assert [output(each) for each in ended] == [{"n": n} for n in range(12)]
    assert all(each.tier == tested.bench.sandbox.tier and each.seconds > 0 for each in ended)


async def test_an_attempt_knows_itself(tested: Subject) -> None:
    assert output(await tested.run("know")) == [str(RUN), "scan", 2, f"{RUN}/scan", True]


async def test_what_is_printed_is_the_attempts_log_and_not_its_output(tested: Subject) -> None:
    ended = await tested.run("print", 7)

    assert ended.output == b"null"
    assert {"out 7", "err 7", "no end"} <= set(tested.bench.lines)
    long = [line for line in tested.bench.lines if line.startswith("x")]
    assert max(len(line.encode()) for line in long) <= LOG_LINE_BYTES_MAX


async def test_a_log_beyond_its_limit_is_marked_and_dropped(tested: Subject) -> None:
    ended = await tested.run("flood")

    assert ended.output == b"null"
    assert "limit of 10 MiB" in tested.bench.lines[-1]
    assert sum(map(len, tested.bench.lines)) <= 11 * 1024 * 1024


async def test_files_are_where_the_folders_say(tested: Subject) -> None:
    attempt = tested.bench.attempt(tested.manifest, {"do": "write", "n": 0})

    ended = await tested.bench.run_attempt(attempt)

    assert output(ended) == {"path": f"{attempt.folders.seen_out}/report.txt"}
    assert (attempt.folders.host_out / "report.txt").read_text() == "hello"


async def test_artifacts_are_read_from_the_in_folder(tested: Subject) -> None:
    attempt = tested.bench.attempt(tested.manifest, {"do": "read", "n": 0})
    attempt.folders.host_in.mkdir(parents=True)
    (attempt.folders.host_in / "given.txt").write_text("given")

    assert output(await tested.bench.run_attempt(attempt)) == "given"


async def test_an_input_on_several_lines_is_one_input(tested: Subject) -> None:
    import msgspec

    attempt = tested.bench.attempt(tested.manifest, {"do": "echo", "n": 3})
    wrapped = json.dumps(json.loads(attempt.input), indent=2).encode()

    ended = await tested.bench.run_attempt(msgspec.structs.replace(attempt, input=wrapped))

    assert output(ended) == {"n": 3}


async def test_an_agent_that_reads_stdin_finds_nothing_more(tested: Subject) -> None:
    assert output(await tested.run("stdin")) == ""


@pytest.mark.parametrize(
    ("do", "type_", "class_", "retryable", "message"),
    [
        ("raise", "ValueError", ErrorClass.ERROR, None, "no such rule"),
        ("limited", "RateLimited", ErrorClass.RATE_LIMIT, None, "slow down"),
        ("value", "NotSerialisable", ErrorClass.VALIDATION, None, "a[0]: "),
    ],
)
async def test_a_failure_keeps_type_message_class_and_stack(
    tested: Subject, do: str, type_: str, class_: ErrorClass, retryable: bool | None, message: str
) -> None:
    failure = (await tested.run(do)).failure

    assert (failure.type, failure.error_class, failure.retryable) == (type_, class_, retryable)
    assert message in failure.message
    assert failure.stack.startswith("Traceback")


async def test_try_again_is_temporary(tested: Subject) -> None:
    failure = (await tested.run("again")).failure

    assert (failure.type, failure.message, failure.error_class) == ("TryAgain", "later", ErrorClass.TEMPORARY)


async def test_an_input_that_does_not_fit_names_its_fields(tested: Subject) -> None:
    ended = await tested.bench.run(tested.manifest, {"do": 1, "m": 2})

    assert ended.failure is not None
    assert ended.failure.error_class is ErrorClass.VALIDATION
    for problem in ("do: expected text", "m: unknown field", "n: missing"):
        assert problem in ended.failure.message


async def test_an_output_above_the_limit_says_so(tested: Subject) -> None:
    failure = (await tested.run("huge", 2_000)).failure

    assert failure.error_class is ErrorClass.RESOURCE
    assert "1,000" in failure.message


async def test_an_attempt_ends_at_its_timeout(tested: Subject) -> None:
    ended = await tested.run("sleep", timeout_s=1.0)

    assert ended.failure.error_class is ErrorClass.TIMEOUT
    assert 1.0 <= ended.seconds < 5.0
    assert output(await tested.run("echo", 1)) == {"n": 1}


async def test_a_cancelled_attempt_ends_soon(tested: Subject) -> None:
    cancelled = Cancellation()
    running = asyncio.create_task(tested.run("sleep", cancelled=cancelled))
    await tested.bench.first_line.wait()

    cancelled.set()
    ended = await running

    assert (ended.failure.type, ended.failure.retryable) == ("Cancelled", False)
    assert ended.seconds < 10
    assert output(await tested.run("echo", 1)) == {"n": 1}


async def test_an_attempt_cancelled_before_it_began_starts_nothing(tested: Subject) -> None:
    cancelled = Cancellation()
    cancelled.set()

    ended = await tested.run("echo", cancelled=cancelled)

    assert ended.failure.type == "Cancelled"
    assert tested.bench.sandbox.started == []


async def test_an_abandoned_call_leaves_nothing_running(tested: Subject) -> None:
    running = asyncio.create_task(tested.run("sleep"))
    await tested.bench.first_line.wait()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async with asyncio.timeout(10):
        assert output(await tested.run("echo", 1)) == {"n": 1}
