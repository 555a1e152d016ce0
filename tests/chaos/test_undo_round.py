"""Promise R7: undoing runs in reverse order, once each, across crashes; items and sub-workflows included."""

import asyncio
import os
import random
from pathlib import Path

import asyncpg
import pytest

from tests.chaos.test_first_round import LEASE_S, SEED
from tests.chaos.undo_shapes import DEFINED, ENDS, STARTED
from tests.chaos.world import World
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack

RUNS = int(os.environ.get("PENSTOCK_CHAOS_UNDO_RUNS", "160"))

STRIKE_ON_S = 5.0

# In the order in which things happened: what succeeded, and what was undone, with the attempts that did it.
_TOLD = """
select r.workflow, r.id, e.kind, e.node, e.attempt
from run r join run_event e on e.run_id = r.id
where e.kind in ('node.succeeded', 'node.compensating', 'node.compensated')
order by r.id, e.seq
"""
_CHILDREN = """
select c.state, p.workflow, count(*) as runs from run c join run p on p.id = c.parent_run group by c.state, p.workflow
"""

pytestmark = pytest.mark.chaos


async def test_what_succeeded_is_undone_once_and_the_last_first_whatever_dies(tmp_path: Path) -> None:
    print(f"PENSTOCK_CHAOS_SEED={SEED} PENSTOCK_CHAOS_UNDO_RUNS={RUNS}")
    agents = (ROOT / "tests/agents_for_tests",)
    extra = {"PENSTOCK_ORCHESTRATOR_LEASE_S": str(LEASE_S)}
    with Stack(folder=tmp_path, agents=agents, runners=2, slots=16, orchestrators=2, extra=extra) as stack:
        world = World(stack, random.Random(SEED), defined=DEFINED, started=STARTED)
        await world.apply_workflows()

        await break_things_while_runs_undo(world)
        states = await world.until_all_ended()

        print(f"{len(world.blows)} blows: {', '.join(world.blows)}")
        ends = {run: (world.workflow_of[run], state) for run, state in states.items()}
        assert {run: end for run, end in ends.items() if end[1] != ENDS[end[0]][0]} == {}
        assert await broken_invariants(stack.postgres.url()) == {}
        await assert_undone_backwards(stack.postgres.url())
        assert len(world.blows) >= RUNS // 12, "too calm a world to prove anything"


async def break_things_while_runs_undo(world: World) -> None:
    half = RUNS // 2
    await strike_while_starting(world, range(half))
    world.lose_the_bus()
    await strike_while_starting(world, range(half, RUNS))


async def strike_while_starting(world: World, numbers: range) -> None:
    """And for a while after, for these runs undo longer than they take to start."""
    quiet = asyncio.Event()
    striker = asyncio.create_task(world.strike(quiet))
    pause = asyncio.create_task(world.pause_runners(quiet, seconds=2 * LEASE_S))
    try:
        await world.submit(numbers)
        await asyncio.sleep(STRIKE_ON_S)
    finally:
        quiet.set()
        await striker
        await pause


async def assert_undone_backwards(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(_TOLD)
        children = await connection.fetch(_CHILDREN)
    finally:
        await connection.close()
    runs: dict[tuple[str, str], list[asyncpg.Record]] = {}
    for row in rows:
        runs.setdefault((row["workflow"], str(row["id"])), []).append(row)
    for (workflow, run), told in runs.items():
        if workflow in ENDS:
            _judge(run, told, expected=ENDS[workflow][1])
    print(f"{len(runs)} runs judged; sub-workflows: {[tuple(row) for row in children]}")
    assert {row["state"] for row in children if row["workflow"] == "undo-outer"} == {"compensated"}
    assert {row["state"] for row in children if row["workflow"] == "calls"} == {"succeeded"}


def _judge(run: str, told: list[asyncpg.Record], *, expected: frozenset[str]) -> None:
    """`told`: the facts of one run in their order."""
    done = [row["node"] for row in told if row["kind"] == "node.succeeded" and row["node"] in expected]
    begun = [row["node"] for row in told if row["kind"] == "node.compensating"]
    undone = [row["node"] for row in told if row["kind"] == "node.compensated"]
    undoings = [
        row["node"] for row in told if row["kind"] == "node.succeeded" and row["node"].endswith(":undo")
    ]
    assert begun == undone == done[::-1], f"run {run}: {done} was undone as {undone}"
    assert undoings == [f"{node}:undo" for node in undone], f"run {run}: undone by {undoings}"
    assert set(undone) == expected, f"run {run}: {expected - set(undone)} was not undone"
