"""Limits and turns through the public API, with real processes: two orchestrators, runners that die, a burst."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from benchmarks.fairness import measure_fairness
from tests.e2e.conftest import LEASE_S, Api
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack

NAP = {"agent": "sleeper", "with": {"seconds": "${{ inputs.seconds }}"}, "retry": "none"}
ONE = {"name": "one", "nodes": {"nap": NAP}}
BURST_RUNS = 600
TOLERANCE_S = 0.05  # two cores, and other tests on them


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(
        folder=tmp_path_factory.mktemp("limits"),
        agents=(ROOT / "tests/agents_for_tests", ROOT / "benchmarks/agents"),
        orchestrators=2,
        runners=2,
        slots=4,
        extra={"PENSTOCK_ORCHESTRATOR_LEASE_S": str(LEASE_S)},
    ) as running:
        yield running


def api_of(stack: Stack, number: int) -> Api:
    return Api(httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.ports[number]}", timeout=90))


async def limits(api: Api) -> list[dict[str, int]]:
    return (await api.get("/limits"))["items"]


async def set_limit(api: Api, maximum: int) -> None:
    answer = await api.client.put("/api/v1/limits/project/default", json={"maximum": maximum})
    assert answer.status_code == 200, answer.text


async def holder(api: Api, runs: list[str]) -> tuple[str, str]:
    """(run, runner) of the one that runs."""
    async with asyncio.timeout(30):
        while True:
            for run in runs:
                (node,) = (await api.get(f"/runs/{run}"))["nodes"]
                if node["state"] == "running":
                    return run, node["runner"]
            await asyncio.sleep(0.05)


async def test_a_limit_of_one_holds_and_a_dead_runners_slot_comes_back(pair: Stack) -> None:
    first, second = api_of(pair, 0), api_of(pair, 1)
    await first.define(ONE)
    for api in (first, second):  # each knows its own at once, and what another set within a second
        await set_limit(api, 1)
    long = [await first.start("one", {"seconds": 30})]
    held, runner = await holder(first, long)
    short = [await api.start("one", {"seconds": 0}) for _ in range(3) for api in (first, second)]

    explained = await second.get(f"/runs/{short[0]}/explain")
    pair.kill(runner.rpartition("-")[0])
    most = 0
    async with asyncio.timeout(60):
        waiting = set(short)
        while waiting:
            (limit,) = await limits(second)
            most = max(most, limit["running"])
            for run in list(waiting):
                if (await first.get(f"/runs/{run}"))["ended_at"]:
                    waiting.discard(run)

    assert explained["nodes"][0]["reason"]["code"] == "limit_reached"
    assert explained["nodes"][0]["reason"]["holders"] == [{"run": held, "node": "nap"}]
    assert most == 1
    assert (await first.ended(held))["state"] == "failed", "its lease lapsed"
    await first.client.delete("/api/v1/limits/project/default")
    assert await broken_invariants(pair.postgres.url()) == {}


@pytest.mark.long
async def test_a_burst_of_one_project_delays_a_run_of_another_little(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Promise R8, small; the chaos tests have it in full. Without turns a run waits for the whole burst."""
    folder = tmp_path_factory.mktemp("fair")
    with Stack(folder=folder, agents=(ROOT / "benchmarks/agents",), slots=8) as stack:
        fair = await measure_fairness(stack.url, runs=BURST_RUNS, idle_probes=9, every_s=0.1)

    assert len(fair.beside) >= 3, fair.line()
    assert fair.beside_p50_s <= 3 * fair.idle_p50_s + TOLERANCE_S, fair.line()
