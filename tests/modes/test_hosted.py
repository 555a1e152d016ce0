"""reuse: fork and process: workers that serve again, whom they serve, and what happens when one dies."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_runner.modes import pool, worker
from agent_runner.modes.port import Cancellation
from penstock.contracts.agent import AgentManifest, Reuse
from penstock.contracts.failure import ErrorClass
from tests.modes.builders import HOSTED, Bench, limits, output, plain_bench, until

AGENT = """
import asyncio, os, signal, subprocess, sys, time
from penstock.agents import agent, context
LOADED = os.getpid()
served = 0

@agent
def act(do: str = "") -> object:
    global served
    served += 1
    match do:
        case "crash": os.kill(os.getpid(), signal.SIGSEGV)
        case "exit": os._exit(7)
        case "sleep": print("asleep"); time.sleep(60)
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN); print("asleep"); time.sleep(60)
        case "child":
            child = subprocess.Popen(["sleep", "60"])
            print(child.pid)
        case "environment": return dict(os.environ)
    return {"loaded": LOADED, "pid": os.getpid(), "served": served, "cwd": os.getcwd()}
"""
ASYNC = AGENT.replace("def act", "async def act").replace("time.sleep", "await asyncio.sleep")


@pytest.fixture
async def tested(tmp_path: Path) -> AsyncIterator[Bench]:
    async with plain_bench(tmp_path) as prepared:
        yield prepared


def manifest(tested: Bench, reuse: Reuse, source: str = AGENT, **changes: object) -> AgentManifest:
    return tested.agent(source, reuse=reuse, **changes)


async def act(tested: Bench, agent: AgentManifest, do: str = "", **options: str) -> dict[str, object]:
    answer = output(await tested.run(agent, {"do": do}, **options))  # type: ignore[arg-type]
    assert isinstance(answer, dict)
    return answer


async def test_process_serves_attempt_after_attempt_in_one_process(tested: Bench) -> None:
    agent = manifest(tested, Reuse.PROCESS)

    answers = [await act(tested, agent) for _ in range(3)]

    assert [answer["served"] for answer in answers] == [1, 2, 3]
    assert len({answer["pid"] for answer in answers}) == 1
    assert len(tested.sandbox.started) == 1


async def test_fork_serves_each_attempt_in_a_fresh_child_of_one_loaded_process(tested: Bench) -> None:
    agent = manifest(tested, Reuse.FORK)

    answers = [await act(tested, agent) for _ in range(3)]

    assert [answer["served"] for answer in answers] == [1, 1, 1]
    assert len({answer["pid"] for answer in answers}) == 3
    assert len({answer["loaded"] for answer in answers}) == 1


async def test_fork_reports_what_the_child_used(tested: Bench) -> None:
    ended = await tested.run(manifest(tested, Reuse.FORK))

    assert ended.cpu_s is not None
    assert ended.memory_bytes is not None
    assert ended.memory_bytes > 1_000_000


@pytest.mark.parametrize("reuse", HOSTED)
async def test_projects_never_share_a_worker(tested: Bench, reuse: Reuse) -> None:
    agent = manifest(tested, reuse)

    first = await act(tested, agent, project="one")
    second = await act(tested, agent, project="two")
    again = await act(tested, agent, project="one")

    assert first["loaded"] == again["loaded"] != second["loaded"]
    folders = [spec.work_folder for spec in tested.sandbox.started]
    assert len(set(folders)) == 2


@pytest.mark.parametrize("reuse", HOSTED)
async def test_versions_never_share_a_worker(tested: Bench, reuse: Reuse) -> None:
    first = await act(tested, manifest(tested, reuse, version="1"))
    second = await act(tested, manifest(tested, reuse, version="2"))

    assert first["loaded"] != second["loaded"]


@pytest.mark.parametrize("reuse", HOSTED)
async def test_workers_of_one_agent_have_slots_of_their_own(tested: Bench, reuse: Reuse) -> None:
    agent = manifest(tested, reuse)

    await asyncio.gather(*(act(tested, agent) for _ in range(3)))

    assert sorted(spec.slot for spec in tested.sandbox.started) == [4, 5, 6]


async def test_a_worker_serves_up_to_its_concurrency_at_once(tested: Bench) -> None:
    agent = manifest(tested, Reuse.PROCESS, ASYNC, concurrency=3)

    await asyncio.gather(*(act(tested, agent) for _ in range(7)))

    assert len(tested.sandbox.started) == 3


@pytest.mark.parametrize("reuse", HOSTED)
async def test_nothing_of_the_hosts_environment_is_seen(
    tested: Bench, reuse: Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "leak")

    seen = await act(tested, manifest(tested, reuse), "environment")

    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert seen["PENSTOCK_NODE"] == "scan"


async def test_a_child_that_crashes_fails_its_own_attempt_only(tested: Bench) -> None:
    agent = manifest(tested, Reuse.FORK, concurrency=2)
    await act(tested, agent)

    crashed, fine = await asyncio.gather(tested.run(agent, {"do": "crash"}), tested.run(agent, {"do": ""}))

    assert crashed.failure is not None
    assert "SIGSEGV" in crashed.failure.message
    assert output(fine)
    assert len(tested.sandbox.started) == 1


async def test_a_child_leaves_nothing_running(tested: Bench) -> None:
    await act(tested, manifest(tested, Reuse.FORK), "child")

    assert await _is_gone(tested.lines[0])


async def test_a_deaf_child_is_killed_and_its_worker_lives(tested: Bench) -> None:
    agent = manifest(tested, Reuse.FORK)

    ended = await tested.run(agent, {"do": "deaf"}, timeout_s=0.5)

    assert ended.failure is not None
    assert ended.failure.error_class is ErrorClass.TIMEOUT
    assert ended.seconds < 8
    assert await act(tested, agent)


@pytest.mark.parametrize("do", ["crash", "exit"])
async def test_a_dead_worker_is_a_temporary_failure_and_a_new_one_serves(tested: Bench, do: str) -> None:
    agent = manifest(tested, Reuse.PROCESS)
    before = await act(tested, agent)

    failure = (await tested.run(agent, {"do": do})).failure
    after = await act(tested, agent)

    assert failure is not None
    assert (failure.type, failure.error_class) == ("WorkerDied", ErrorClass.TEMPORARY)
    assert before["pid"] != after["pid"]


async def test_others_in_a_worker_that_had_to_be_ended_are_told_so(tested: Bench) -> None:
    agent = manifest(tested, Reuse.PROCESS, concurrency=2)
    cancelled = Cancellation()
    stopped = asyncio.create_task(tested.run(agent, {"do": "sleep"}, cancelled=cancelled))
    await tested.first_line.wait()
    other = asyncio.create_task(tested.run(agent, {"do": "sleep"}))
    await until(lambda: len(tested.lines) == 2)

    cancelled.set()

    assert (await stopped).failure.type == "Cancelled"  # type: ignore[union-attr]
    failure = (await other).failure
    assert failure is not None
    assert (failure.type, failure.error_class) == ("WorkerEnded", ErrorClass.TEMPORARY)
    assert "to stop another attempt" in failure.message


async def test_cancelling_one_async_attempt_leaves_the_others_alone(tested: Bench) -> None:
    agent = manifest(tested, Reuse.PROCESS, ASYNC, concurrency=2)
    cancelled = Cancellation()
    stopped = asyncio.create_task(tested.run(agent, {"do": "sleep"}, cancelled=cancelled))
    await tested.first_line.wait()

    cancelled.set()

    assert (await stopped).failure.type == "Cancelled"  # type: ignore[union-attr]
    assert await act(tested, agent)
    assert len(tested.sandbox.started) == 1


@pytest.mark.parametrize("reuse", HOSTED)
async def test_an_agent_that_cannot_be_loaded_fails_with_its_stack(tested: Bench, reuse: Reuse) -> None:
    failure = (await tested.run(manifest(tested, reuse, "import nothing_of_that_name"))).failure

    assert failure is not None
    assert failure.type == "ModuleNotFoundError"
    assert failure.error_class is ErrorClass.ERROR
    assert "nothing_of_that_name" in str(failure.stack)


async def test_a_program_that_speaks_no_frames_is_shown(tested: Bench) -> None:
    agent = tested.manifest("sh", "-c", "echo hello; cat", reuse=Reuse.PROCESS)

    failure = (await tested.run(agent)).failure

    assert failure is not None
    assert failure.type == "InvalidFrame"
    assert "hello" in failure.message


async def test_a_line_without_end_ends_the_worker(tested: Bench) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x; cat"
    agent = tested.manifest("sh", "-c", script, reuse=Reuse.PROCESS, sandbox=limits(output_bytes=1_000))

    failure = (await tested.run(agent)).failure

    assert failure is not None
    assert failure.error_class is ErrorClass.RESOURCE


async def test_a_program_that_never_gets_ready_is_ended(
    tested: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "READY_S_MAX", 0.2)

    failure = (await tested.run(tested.manifest("sleep", "60", reuse=Reuse.FORK))).failure

    assert failure is not None
    assert failure.type == "NotReady"


async def test_any_language_can_speak_frames(tested: Bench) -> None:
    program = (
        "import json, sys\n"
        "print(json.dumps({'ready': True}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    order = json.loads(line)\n"
        "    print(json.dumps({'id': order['id'], 'log': 'got it'}))\n"
        "    output = [order['input'], order['env']['NODE']]\n"
        "    print(json.dumps({'id': order['id'], 'output': output}), flush=True)\n"
    )
    agent = tested.manifest(sys.executable, "-c", program, reuse=Reuse.PROCESS)

    assert output(await tested.run(agent, {"a": 1})) == [{"a": 1}, "scan"]
    assert tested.lines == ["got it"]


@pytest.mark.parametrize("reuse", HOSTED)
async def test_a_worker_that_has_served_enough_is_replaced(
    tested: Bench, reuse: Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ATTEMPTS_PER_WORKER_MAX", 2)
    agent = manifest(tested, reuse)

    answers = [await act(tested, agent) for _ in range(4)]

    loaded = [answer["loaded"] for answer in answers]
    assert loaded[0] == loaded[1] != loaded[2] == loaded[3]
    assert await _is_gone(loaded[0])


async def test_an_idle_worker_is_ended(tested: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_S_MAX", 0.05)
    monkeypatch.setattr(pool, "SWEEP_S", 0.02)

    answer = await act(tested, manifest(tested, Reuse.PROCESS))

    assert await _is_gone(answer["pid"])


async def test_idle_workers_of_other_projects_do_not_pile_up(
    tested: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_WORKERS_MIN", 2)
    agent = manifest(tested, Reuse.PROCESS)

    pids = [(await act(tested, agent, project=f"p{n}"))["pid"] for n in range(6)]

    assert await _is_gone(pids[0])
    assert _is_running(int(str(pids[-1])))


@pytest.mark.parametrize("reuse", HOSTED)
async def test_closing_ends_every_worker_and_what_it_runs(tested: Bench, reuse: Reuse) -> None:
    agent = manifest(tested, reuse)
    idle = await act(tested, agent)
    running = asyncio.create_task(tested.run(agent, {"do": "sleep"}, project="other"))
    await tested.first_line.wait()

    await tested.modes.close()

    assert (await running).failure is not None
    assert await _is_gone(idle["loaded"])


async def test_what_a_library_writes_to_the_descriptor_is_the_only_attempts_log(tested: Bench) -> None:
    source = (
        "import os, time\nfrom penstock.agents import agent\n"
        "@agent\ndef act() -> None:\n    os.write(1, b'from below\\n')\n    time.sleep(60)\n"
    )
    cancelled = Cancellation()
    running = asyncio.create_task(tested.run(manifest(tested, Reuse.PROCESS, source), cancelled=cancelled))

    await tested.first_line.wait()

    cancelled.set()
    await running
    assert tested.lines == ["from below"]


async def test_logging_set_up_at_import_is_attributed(tested: Bench) -> None:
    source = (
        "import logging\nfrom penstock.agents import agent\n"
        "logging.basicConfig(level='INFO', format='%(message)s')\n"
        "@agent\nasync def act(n: int) -> int:\n    logging.info('number %d', n)\n    return n\n"
    )
    agent = manifest(tested, Reuse.PROCESS, source, concurrency=8)

    await asyncio.gather(*(tested.run(agent, {"n": n}) for n in range(8)))

    assert sorted(tested.lines) == [f"number {n}" for n in range(8)]


def test_a_frame_keeps_its_input_as_it_came() -> None:
    from agent_runner.modes.orders import one_line

    exact = b'{"n":1.10,"big":12345678901234567890123,"t":"\\u00e9\\n"}'

    assert bytes(one_line(exact)) == exact
    assert b"\n" not in bytes(one_line(json.dumps({"a": [1, 2], "b": "x\ny"}, indent=2).encode()))


async def _is_gone(pid: object) -> bool:
    await until(lambda: not _is_running(int(str(pid))))
    return True


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
