"""Promise R6: a cancel reaches the runner soon, and what was cancelled never succeeds."""

import asyncio
import random
import time

import pytest

from tests.e2e.conftest import LEASE_S, Api, Json, node_of
from tests.invariants import broken_invariants
from tests.stack import Stack

pytestmark = pytest.mark.sandbox

RUNS = 24
HEARTBEAT_S = LEASE_S / 3
KILL_GRACE_S = 5.0  # an agent that ignores SIGTERM gets SIGKILL after it
MIXED = {
    "name": "cancel-anywhere",
    "nodes": {
        "first": {"agent": "steady", "with": {"value": 1}},
        "nap": {"needs": ["first"], "agent": "sleeper", "with": {"seconds": 0.2}},
        "again": {"needs": ["first"], "agent": "flaky", "with": {"value": 1}},
        "last": {"needs": ["nap", "again"], "agent": "steady", "with": {"value": 2}},
    },
}


async def test_whatever_the_moment_what_was_cancelled_never_succeeds(api: Api, stack: Stack) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    await api.define(MIXED)

    runs = await asyncio.gather(*(cancelled_after(api, chance.uniform(0, 1.2)) for _ in range(RUNS)))

    states = {run["state"] for run in runs}
    assert states <= {"cancelled", "succeeded"}
    assert "cancelled" in states
    for run in runs:
        events = (await api.get(f"/runs/{run['id']}/events", limit=200))["items"]
        assert_consistent(run, events)
    assert await broken_invariants(stack.postgres.url()) == {}


async def cancelled_after(api: Api, seconds: float) -> Json:
    run = await api.start("cancel-anywhere")
    await asyncio.sleep(seconds)
    await api.client.post(f"/api/v1/runs/{run}/cancel", json={"reason": "the moment has come"})
    return await api.ended(run)


def assert_consistent(run: Json, events: Json) -> None:
    kinds = [event["kind"] for event in events]
    assert kinds.count(f"run.{run['state']}") == 1
    assert kinds[-1] == f"run.{run['state']}", "something happened after the end"
    told = {(event["kind"], event["node"]) for event in events}
    for node in run["nodes"]:
        if node["state"] == "cancelled":
            assert ("node.succeeded", node["name"]) not in told
    if run["state"] == "cancelled":
        began = kinds.index("run.cancelling")
        assert {"node.ready", "node.started"}.isdisjoint(kinds[began:]), "nothing begins after a cancel"


async def test_a_cancel_reaches_even_a_deaf_agent_within_two_heartbeats_and_its_grace(api: Api) -> None:
    deaf = {"agent": "villain", "with": {"deed": "ignore-term"}, "timeout": "60s", "retry": "none"}
    await api.define({"name": "cancel-deaf", "nodes": {"n": deaf}})
    run = await api.start("cancel-deaf")
    await api.until_node(run, "n", "running")

    began = time.monotonic()
    await api.client.post(f"/api/v1/runs/{run}/cancel", json={})
    ended = await api.ended(run)

    assert (ended["state"], node_of(ended, "n")["state"]) == ("cancelled", "cancelled")
    assert time.monotonic() - began < 2 * HEARTBEAT_S + KILL_GRACE_S + 1
