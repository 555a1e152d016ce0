"""A run in memory that another orchestrator has moved: only what changed is read, and it is the same run."""

from uuid import UUID

from orchestrator.domain.events import CancelRequested, RetryRequested
from orchestrator.engine.plans import Plans
from orchestrator.engine.runs import Runs
from orchestrator.store.load import Known, load_runs
from penstock.contracts.value import replace
from tests.engine.conftest import World

WIDTH = 50
FAN = {
    "name": "fan",
    "nodes": {
        **{f"m{i}": {"agent": "echo"} for i in range(WIDTH)},
        "last": {"agent": "echo", "needs": [f"m{i}" for i in range(WIDTH)]},
    },
}


async def start(world: World) -> UUID:
    await world.define(FAN)
    return (await world.start("fan")).run_id


async def in_memory(world: World, run: UUID) -> dict[UUID, Known]:
    return {run: Known(version=(await world.run(run))["version"], units=WIDTH + 1)}


async def assert_as_stored(world: World, run: UUID) -> None:
    """What this orchestrator goes on with is what another would read."""
    (ours,) = (await world.engine.runs.fetch([run])).values()
    (stored,) = (await Runs(world.pool, Plans(world.pool)).fetch([run])).values()
    nodes = {name: replace(node, wake_in=None) for name, node in ours.nodes.items()}
    assert nodes == dict(stored.nodes.items())
    assert replace(ours, plan=stored.plan, nodes=stored.nodes) == stored


async def test_only_the_nodes_that_changed_are_read(world: World, second_world: World) -> None:
    run = await start(world)
    known = await in_memory(world, run)

    await second_world.succeed(run, "m7")
    await second_world.claim(run, "m8")
    (loaded,) = await load_runs(world.pool, [run], known)

    assert loaded.since == known[run].version
    assert {node.name for node in loaded.nodes} == {"m7", "m8"}


async def test_the_run_caught_up_with_is_the_run_that_is_stored(world: World, second_world: World) -> None:
    run = await start(world)

    await second_world.succeed(run, "m7")
    await world.succeed(run, "m8")
    await second_world.claim(run, "m9")
    world.engine.runs.doubt(run)

    await assert_as_stored(world, run)


async def test_a_run_of_which_half_changed_is_read_whole(world: World, second_world: World) -> None:
    run = await start(world)
    known = await in_memory(world, run)

    for i in range(WIDTH // 2 + 1):
        await second_world.claim(run, f"m{i}")
    (loaded,) = await load_runs(world.pool, [run], known)

    assert loaded.since is None
    assert len(loaded.nodes) == WIDTH


async def test_a_run_that_was_cancelled_and_retried_is_read_whole(world: World, second_world: World) -> None:
    run = await start(world)

    await second_world.engine.control("default", run, CancelRequested(by="ann", reason="wrong input"))
    await second_world.engine.control("default", run, RetryRequested(by="ben"))
    await world.succeed(run, "m3", attempt=(await world.node(run, "m3"))["attempt"])

    await assert_as_stored(world, run)


async def test_a_timeline_with_a_gap_is_not_trusted(world: World, second_world: World) -> None:
    run = await start(world)
    known = await in_memory(world, run)
    await second_world.succeed(run, "m7")

    await world.pool.execute(
        "delete from run_event where run_id = $1 and seq = $2", run, known[run].version + 1
    )
    (loaded,) = await load_runs(world.pool, [run], known)

    assert loaded.since is None
