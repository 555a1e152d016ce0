"""Several runners at once: pools, drains, a runner that sleeps past its lease, one that may take no work."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime

import httpx
import pytest

from penstock.bus import permissions
from penstock_cli.embedded.ports import free_port
from tests.e2e.conftest import Api, Json, node_of
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.sandbox

LEASE_S = 2.0
BLIND = "runner-9"  # started by one test only
BLIND_PORT = free_port()
WITHOUT_BUBBLEWRAP = {
    "PENSTOCK_RUNNER_POOL": "gpu",
    "PENSTOCK_RUNNER_HTTP_PORT": str(BLIND_PORT),
    "PATH": "/nowhere",
}
AT_ONCE_S = 5.0  # far below the bus's ack_wait and the sweep's 30 s


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two runners of pool default, runner-0 and runner-1, two slots each; runner-2 is of pool gpu."""
    with Stack(
        folder=tmp_path_factory.mktemp("runners"),
        agents=(ROOT / "tests/agents_for_tests",),
        runners=3,
        slots=2,
        extra={"PENSTOCK_ORCHESTRATOR_LEASE_S": str(LEASE_S)},
        own={"runner-2": {"PENSTOCK_RUNNER_POOL": "gpu"}, BLIND: WITHOUT_BUBBLEWRAP},
        users={"runner-gpu": permissions.runner(user="runner-gpu", pool="gpu")},
    ) as running:
        yield running


@pytest.fixture
async def api(pair: Stack) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=pair.url, timeout=90) as client:
        api = Api(client)
        await all_are_there(api, 3)
        yield api


async def all_are_there(api: Api, count: int) -> None:
    async with asyncio.timeout(30):
        while len([r for r in (await api.get("/agents"))["runners"] if r["alive"]]) < count:
            await asyncio.sleep(0.1)


def nap(seconds: float, **fields: Json) -> Json:
    return {"agent": "sleeper", "with": {"seconds": seconds}, **fields}


async def test_a_node_is_taken_by_a_runner_of_its_pool_only(api: Api) -> None:
    nodes = {f"n{i}": nap(0.05, **({"pool": "gpu"} if i % 2 else {})) for i in range(8)}

    run = await api.run({"name": "pools", "nodes": nodes})

    assert run["state"] == "succeeded"
    for number in range(8):
        runner = node_of(run, f"n{number}")["runner"]
        assert runner.startswith("runner-2") is bool(number % 2), (number, runner)


async def test_a_node_of_a_pool_without_runners_waits_and_says_so(api: Api) -> None:
    await api.define({"name": "lost-pool", "nodes": {"n": nap(0, pool="gpus")}})
    run = await api.start("lost-pool")

    reason = (await api.get(f"/runs/{run}/explain"))["nodes"][0]

    assert reason["reason"]["code"] == "no_runner_in_pool"
    assert "gpus" in reason["sentence"]


async def test_two_runners_share_the_work(api: Api) -> None:
    run = await api.run({"name": "shared", "nodes": {f"n{i}": nap(0.3) for i in range(8)}})

    assert len({node["runner"] for node in run["nodes"]}) == 2


async def test_a_drained_runner_finishes_what_runs_and_what_waits_goes_elsewhere_at_once(
    api: Api, pair: Stack
) -> None:
    await api.define({"name": "long", "nodes": {"n": nap(2)}})
    await api.define({"name": "short", "nodes": {"n": nap(0)}})
    long = [await api.start("long") for _ in range(4)]
    for run in long:
        await api.until_node(run, "n", "running")
    short = [await api.start("short") for _ in range(12)]
    held = [node_of(await api.get(f"/runs/{run}"), "n")["runner"] for run in long]

    async with told_to_stop(pair, "runner-0") as ended_after:
        ended = [await api.ended(run, seconds=20) for run in [*long, *short]]
        assert await ended_after < AT_ONCE_S

    assert len({*held}) == 2
    for run in ended:
        node = node_of(run, "n")
        assert (run["state"], node["attempt"]) == ("succeeded", 1), node
        assert seconds(node["ready_at"], node["ended_at"]) < AT_ONCE_S


async def test_a_stream_of_work_does_not_notice_that_a_runner_is_drained(api: Api, pair: Stack) -> None:
    await api.define({"name": "quick", "nodes": {"n": {"agent": "steady", "with": {"value": 1}}}})
    runs: list[str] = []

    async with told_to_stop(pair, "runner-0", after_s=0.3) as ended_after:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            runs.append(await api.start("quick"))
        await ended_after
        ended = [await api.ended(run, seconds=20) for run in runs]

    slow = [run["id"] for run in ended if seconds(run["created_at"], run["ended_at"]) > AT_ONCE_S]
    assert slow == []
    assert {run["state"] for run in ended} == {"succeeded"}


async def test_a_runner_that_slept_past_its_lease_does_not_complete_the_node(api: Api, pair: Stack) -> None:
    """Both runners of the pool sleep in turn, so that the one that holds the attempt surely does."""
    await api.define({"name": "sleepy", "nodes": {"n": nap(1, timeout="60s")}})
    run = await api.start("sleepy")
    held = (await api.until_node(run, "n", "running"))["runner"]
    name = held.rpartition("-")[0]
    pid = pair.services[name].pid
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)
    ended = await api.ended(run)
    os.kill(pid, signal.SIGCONT)
    again = await api.run({"name": "awake", "nodes": {f"n{i}": nap(0.3) for i in range(8)}})

    detail = await api.get(f"/runs/{run}/nodes/n")
    kinds = [event["kind"] for event in (await api.get(f"/runs/{run}/events"))["items"]]
    assert ended["state"] == "succeeded"
    assert [(a["attempt"], a["outcome"]) for a in detail["attempts"]] == [(1, "failed"), (2, "succeeded")]
    assert detail["attempts"][0]["runner"] == held != detail["attempts"][1]["runner"]
    assert kinds.count("node.succeeded") == 1
    assert held in {node["runner"] for node in again["nodes"]}, "the runner is back at work"
    assert await broken_invariants(pair.postgres.url()) == {}


async def test_a_runner_whose_sandbox_does_not_hold_takes_no_work_and_says_what_to_change(
    api: Api, pair: Stack
) -> None:
    remedy = "apt-get install bubblewrap"
    pair.start(BLIND)
    await all_are_there(api, 4)

    run = await api.run({"name": "seeing", "nodes": {f"n{i}": nap(0.2, pool="gpu") for i in range(6)}})
    async with httpx.AsyncClient() as client:
        ready = await client.get(f"http://127.0.0.1:{BLIND_PORT}/ready")
    agents = await api.get("/agents")
    shown = await asyncio.to_thread(penstock, pair, "agents")
    pair.services.pop(BLIND).stop()

    assert run["state"] == "succeeded"
    assert {node["runner"].partition("-")[2][0] for node in run["nodes"]} == {"2"}
    assert ready.status_code == 503
    (sandbox,) = [part for part in ready.json()["dependencies"] if part["name"] == "sandbox"]
    assert (sandbox["ok"], remedy in sandbox["detail"]) == (False, True)
    (blind,) = [runner for runner in agents["runners"] if runner["id"].startswith(BLIND)]
    assert blind["slots"] == 0
    for version in (agent["versions"][0] for agent in agents["items"]):
        assert (version["error"], len(version["runners"])) == (None, 3), "the others can"
        assert [refusal["runner"] for refusal in version["refusals"]] == [blind["id"]]
        assert remedy in version["refusals"][0]["error"]
    assert remedy in pair.log(BLIND)
    offered = ", ".join(sorted(agent["name"] for agent in agents["items"]))
    assert f"{blind['id']} cannot run {offered}:\n" in shown
    assert shown.count(remedy) == 1


def penstock(stack: Stack, *arguments: str) -> str:
    command = [sys.executable, "-m", "penstock_cli.main", *arguments]
    environment = {"PENSTOCK_URL": stack.url, "COLUMNS": "400"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@asynccontextmanager
async def told_to_stop(
    stack: Stack, name: str, *, after_s: float = 0.0
) -> AsyncIterator["asyncio.Task[float]"]:
    """SIGTERM to a service, started again at the end; the task gives how long it took to exit 0."""
    task = asyncio.create_task(_stopped(stack, name, after_s))
    try:
        yield task
        await task
    finally:
        stack.start(name)


async def _stopped(stack: Stack, name: str, after_s: float) -> float:
    await asyncio.sleep(after_s)
    child = stack.services[name]
    assert child.pid is not None
    began = time.monotonic()
    os.kill(child.pid, signal.SIGTERM)
    async with asyncio.timeout(30):
        while child.alive():
            await asyncio.sleep(0.02)
    assert child.exit_code() == 0
    return time.monotonic() - began


def seconds(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
