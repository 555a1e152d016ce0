"""Several orchestrators, and what they lean on going away: through the public API, with real processes."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from penstock_cli.embedded.child import Child
from tests.e2e.conftest import Api
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack

RUNS = 40
STOP_S_MAX = 3.0  # far below the 5 s that a drain may take at most
LENGTH = 10  # long enough that both orchestrators have moved each run
NODES = {f"n{i}": {"agent": "steady", "needs": [f"n{i - 1}"] if i else []} for i in range(LENGTH)}
CHAIN = {"name": "chain", "nodes": NODES}


@pytest.fixture
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two orchestrators of its own: these tests break what others lean on."""
    agents = (ROOT / "tests/agents_for_tests",)
    with Stack(folder=tmp_path_factory.mktemp("pair"), agents=agents, orchestrators=2) as running:
        yield running


def api_of(stack: Stack, number: int) -> Api:
    return Api(httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.ports[number]}", timeout=90))


async def load(api: Api, count: int = RUNS) -> list[str]:
    return await asyncio.gather(*(api.start("chain") for _ in range(count)))


async def told_to_stop(process: Child) -> int:
    """SIGTERM; its exit code."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    async with asyncio.timeout(20):
        while (code := process.exit_code()) is None:
            await asyncio.sleep(0.02)
    return code


async def assert_all_succeed(api: Api, stack: Stack, runs: list[str]) -> None:
    ended = await asyncio.gather(*(api.ended(run) for run in runs))
    assert {run["state"] for run in ended} == {"succeeded"}
    assert await broken_invariants(stack.postgres.url()) == {}


async def test_an_orchestrator_that_is_told_to_stop_leaves_its_work_to_the_other(pair: Stack) -> None:
    staying, leaving = api_of(pair, 0), api_of(pair, 1)
    await staying.define(CHAIN)
    await asyncio.gather(load(staying), load(leaving))  # each has runs in hand that the other moved on
    under_load = asyncio.create_task(load(staying))
    await asyncio.sleep(0)

    process = pair.services["orchestrator-1"]
    began = time.monotonic()
    code = await told_to_stop(process)
    took = time.monotonic() - began

    assert (code, took < STOP_S_MAX) == (0, True), f"{took:.1f} s"
    await assert_all_succeed(staying, pair, await under_load)


async def test_the_bus_may_lose_everything_while_idle(pair: Stack) -> None:
    api = api_of(pair, 0)
    await api.define(CHAIN)
    await assert_all_succeed(api, pair, await load(api, 1))

    pair.nats.stop()
    for folder in pair.nats.folder.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    pair.nats.start()
    began = time.monotonic()
    await assert_all_succeed(api, pair, await load(api))

    assert time.monotonic() - began < 25, "the pull loops did not recover by themselves"


async def test_a_database_that_was_away_is_found_again_without_a_restart(pair: Stack) -> None:
    api = api_of(pair, 0)
    await api.define(CHAIN)
    runs = await load(api)

    pair.postgres.stop()
    while_away = await api.client.post("/api/v1/runs", json={"workflow": "chain"})
    pair.postgres.start()

    assert while_away.status_code == 503
    await assert_all_succeed(api, pair, runs)
    await assert_all_succeed(api_of(pair, 1), pair, await load(api_of(pair, 1), 1))


def test_a_taken_port_stops_the_start_and_names_the_setting(pair: Stack) -> None:
    environment = {**pair._base(), **pair._orchestrator(0)}

    started = subprocess.run(
        [sys.executable, "-m", "orchestrator"], env=environment, capture_output=True, text=True, timeout=30
    )

    assert started.returncode == 2
    assert f"PENSTOCK_ORCHESTRATOR_HTTP_PORT: port {pair.ports[0]}" in started.stderr
    assert "taken" in started.stderr
    assert "orchestrator.started" not in started.stderr
