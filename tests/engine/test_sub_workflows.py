"""Sub-workflows through the real engine: started once, told back, cancelled and undone with their parent."""

import asyncio
import json
from uuid import UUID

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptSucceeded, CancelRequested, CompensateRequested
from tests.engine.conftest import World, chain

PARENT = {
    "name": "parent",
    "nodes": {
        "call": {"workflow": "child", "with": {"value": "${{ inputs.value }}"}},
        "after": {"agent": "echo", "with": {"got": "${{ nodes.call.output }}"}},
    },
}
CHILD = {**chain("child", length=1, compensate="echo"), "output": "${{ nodes.n0.output }}"}


async def children(world: World, parent: UUID) -> list[UUID]:
    rows = await world.pool.fetch("select id from run where parent_run = $1 order by created_at", parent)
    return [row["id"] for row in rows]


async def started_pair(world: World) -> tuple[UUID, UUID]:
    """A parent and its child, whose one node is ready."""
    await world.define(CHILD)
    await world.define(PARENT)
    parent = (await world.start("parent")).run_id
    await world.engine.effects.idle()
    (child,) = await children(world, parent)
    return parent, child


async def state_of(world: World, run: UUID) -> str:
    return str((await world.run(run))["state"])


async def test_a_child_hands_its_output_to_its_parent(world: World) -> None:
    parent, child = await started_pair(world)

    await world.succeed(child, "n0", output=b'{"value": 7}')
    await world.engine.effects.idle()

    assert (await world.node(parent, "call"))["output"] == '{"value":7}'
    assert (await world.node(parent, "after"))["input"] == '{"got":{"value":7}}'
    assert "node.child_started" in await world.kinds(parent)


async def test_a_child_that_was_ordered_twice_is_started_once(world: World, second_world: World) -> None:
    parent, _ = await started_pair(world)
    await world.pool.execute("update node set wake_at = now() where run_id = $1", parent)

    await asyncio.gather(world.sweep(), second_world.sweep())
    await asyncio.gather(world.engine.effects.idle(), second_world.engine.effects.idle())

    assert len(await children(world, parent)) == 1


async def test_a_child_whose_end_nobody_heard_of_is_found_by_the_timer(world: World) -> None:
    parent, child = await started_pair(world)
    world.engine.effects.take = lambda commits: None  # type: ignore[method-assign]  # the process dies here
    await world.succeed(child, "n0")
    assert await state_of(world, child) == "succeeded"
    assert (await world.node(parent, "call"))["state"] == "running"
    del world.engine.effects.take

    await world.pool.execute("update node set wake_at = now() where run_id = $1", parent)
    await world.sweep()
    await world.engine.effects.idle()

    assert (await world.node(parent, "call"))["state"] == "succeeded"


async def test_cancel_passes_down(world: World) -> None:
    parent, child = await started_pair(world)

    assert (
        await world.engine.control("default", parent, CancelRequested(by="ada", reason="enough"))
        is Outcome.APPLIED
    )
    await world.engine.effects.idle()

    assert await state_of(world, child) == "cancelled"
    assert await state_of(world, parent) == "cancelled"


async def test_undoing_passes_down_and_comes_back(world: World) -> None:
    parent, child = await started_pair(world)
    await world.succeed(child, "n0")
    await world.engine.effects.idle()
    await world.succeed(parent, "after")

    await world.engine.handle([(parent, CompensateRequested(by="ada", reason="wrong"))])
    await world.engine.effects.idle()
    assert await state_of(world, child) == "compensating"
    await world.succeed(child, "n0:undo")
    await world.engine.effects.idle()

    assert await state_of(world, child) == "compensated"
    assert await state_of(world, parent) == "compensated"
    assert (await world.node(parent, "call"))["state"] == "compensated"


async def test_a_child_that_cannot_be_started_fails_its_node_with_the_reason(world: World) -> None:
    await world.define(PARENT)

    parent = (await world.start("parent")).run_id
    await world.engine.effects.idle()

    failure = (await world.node(parent, "call"))["failure"]
    assert json.loads(failure)["message"].startswith(
        "workflow 'child': it did not exist, or was inactive, when this run was started"
    )


async def test_the_version_is_that_of_the_parents_start(world: World) -> None:
    parent, child = await started_pair(world)

    assert (await world.run(parent))["detail"] == '{"pins":{"child":1}}'
    assert (await world.run(child))["workflow_version"] == 1


async def test_a_child_that_takes_longer_than_its_node_allows_is_cancelled_and_that_is_a_timeout(
    world: World,
) -> None:
    await world.define(CHILD)
    retry = {"attempts": 2, "delay": "0s"}
    await world.define(
        {
            "name": "strict",
            "nodes": {"call": {"workflow": "child", "with": {"value": 1}, "timeout": "3s", "retry": retry}},
        }
    )
    parent = (await world.start("strict")).run_id
    await world.engine.effects.idle()
    (child,) = await children(world, parent)
    row = await world.node(parent, "call")
    assert (row["deadline_at"] - row["started_at"]).total_seconds() < 5
    assert row["wake_at"] == row["deadline_at"]

    await world.pool.execute("update node set deadline_at = now(), wake_at = now() where run_id = $1", parent)
    await world.sweep()
    await world.engine.effects.idle()

    assert await state_of(world, child) == "cancelled"
    row = await world.node(parent, "call")
    assert (row["state"], json.loads(row["failure"])["error_class"]) == ("backoff", "timeout")


async def test_what_succeeds_while_its_child_is_cancelled_is_undone_at_once(world: World) -> None:
    """It ends and begins to be undone in one step: between a child's cancellation and the word to the runner."""
    await world.define({**CHILD, "on_failure": "compensate"})
    await world.define(PARENT)
    parent = (await world.start("parent")).run_id
    await world.engine.effects.idle()
    (child,) = await children(world, parent)
    token = await world.claim(child, "n0")
    await world.engine.control("default", parent, CancelRequested(by="ada", reason="enough"))
    await world.engine.effects.idle()

    await world.engine.handle([(child, AttemptSucceeded("n0", 1, token, b'{"value": 7}'))])

    row = await world.node(child, "n0")
    assert row["state"] == "compensating"
    assert row["ended_at"] is not None
    await world.succeed(child, "n0:undo")
    assert await state_of(world, child) == "compensated"
