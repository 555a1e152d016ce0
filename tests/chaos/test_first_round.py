"""Promises R1, R2, R3: whatever dies, every accepted run ends, once, and the books balance."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.chaos.world import World
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack

RUNS = int(os.environ.get("PENSTOCK_CHAOS_RUNS", "300"))
SEED = int(os.environ.get("PENSTOCK_CHAOS_SEED", str(random.SystemRandom().randrange(10**6))))
LEASE_S = 3.0

pytestmark = pytest.mark.chaos


async def test_every_accepted_run_ends_whatever_dies(tmp_path: Path) -> None:
    print(f"PENSTOCK_CHAOS_SEED={SEED} PENSTOCK_CHAOS_RUNS={RUNS}")
    agents = (ROOT / "tests/agents_for_tests",)
    extra = {"PENSTOCK_ORCHESTRATOR_LEASE_S": str(LEASE_S)}
    with Stack(folder=tmp_path, agents=agents, runners=2, slots=16, extra=extra) as stack:
        world = World(stack, random.Random(SEED))
        await world.apply_workflows()

        await break_things_while_runs_come_in(world)
        states = await world.until_all_ended()

        print(f"{len(world.blows)} blows: {', '.join(world.blows)}")
        assert len(world.accepted) == RUNS
        assert {run: state for run, state in states.items() if state != "succeeded"} == {}
        assert await broken_invariants(stack.postgres.url()) == {}
        assert len(world.blows) >= RUNS // 15, "too calm a world to prove anything"


async def break_things_while_runs_come_in(world: World) -> None:
    quiet = asyncio.Event()
    half = RUNS // 2
    striker = asyncio.create_task(world.strike(quiet))
    try:
        await world.submit(range(half))
    finally:
        quiet.set()
        await striker
    world.lose_the_bus()
    pause = asyncio.create_task(world.pause_a_runner(seconds=3 * LEASE_S))
    await world.submit(range(half, RUNS))
    await pause
    quiet.clear()
    striker = asyncio.create_task(world.strike(quiet))
    await asyncio.sleep(10)
    quiet.set()
    await striker
