"""Concurrency keys: a slot is an open run, whoever starts and whatever dies."""

import asyncio
from uuid import UUID

import pytest

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import CancelRequested, RetryRequested
from orchestrator.engine.port import Started
from penstock.contracts.errors import Conflict, InvalidInput
from tests.engine.conftest import World, chain


def limited(name: str, *, limit: int = 1, on_limit: str = "queue") -> dict[str, object]:
    key = "${{ inputs.repository }}"
    return {**chain(name, length=1), "concurrency": {"key": key, "limit": limit, "on_limit": on_limit}}


async def state_of(world: World, run: UUID) -> str:
    return str((await world.run(run))["state"])


async def until(world: World, run: UUID, state: str) -> None:
    """The engine gives slots away after the commit that freed them."""
    async with asyncio.timeout(5):
        while await state_of(world, run) != state:
            await asyncio.sleep(0.01)


async def test_the_second_run_of_a_key_waits_and_begins_when_the_first_has_ended(world: World) -> None:
    await world.define(limited("guard"))
    first = await world.start("guard", input=b'{"value": 1, "repository": "a"}')
    second = await world.start("guard", input=b'{"value": 1, "repository": "a"}')
    other = await world.start("guard", input=b'{"value": 1, "repository": "b"}')
    assert (first.state, second.state, other.state) == ("running", "queued", "running")
    assert (await world.run(second.run_id))["deadline_at"] is None

    await world.succeed(first.run_id, "n0")
    await until(world, second.run_id, "running")

    assert await world.kinds(second.run_id) == ["run.started", "run.queued", "run.dequeued", "node.ready"]
    assert (await world.run(second.run_id))["deadline_at"] is not None


async def test_two_orchestrators_never_give_more_slots_than_there_are(
    world: World, second_world: World
) -> None:
    await world.define(limited("guard", limit=3))

    runs = await asyncio.gather(
        *(
            w.start("guard", input=b'{"value": 1, "repository": "a"}')
            for w in (world, second_world)
            for _ in range(10)
        )
    )

    assert sorted(run.state for run in runs) == ["queued"] * 17 + ["running"] * 3


async def test_reject_refuses_the_second_run_and_names_the_first(world: World) -> None:
    await world.define(limited("guard", on_limit="reject"))
    first = await world.start("guard", input=b'{"value": 1, "repository": "a"}', idempotency_key="same")

    with pytest.raises(Conflict, match=str(first.run_id)):
        await world.start("guard", input=b'{"value": 1, "repository": "a"}')

    again = await world.start("guard", input=b'{"value": 1, "repository": "a"}', idempotency_key="same")
    assert (again.run_id, again.created) == (first.run_id, False)


async def test_cancel_oldest_ends_the_first_and_begins_the_second(world: World) -> None:
    await world.define(limited("guard", on_limit="cancel_oldest"))
    first = await world.start("guard", input=b'{"value": 1, "repository": "a"}')

    second = await world.start("guard", input=b'{"value": 1, "repository": "a"}')
    await until(world, second.run_id, "running")

    assert await state_of(world, first.run_id) == "cancelled"
    assert "newer run" in (await world.run(first.run_id))["cancel_reason"]


async def test_a_slot_that_nobody_was_told_of_is_found_by_the_sweep(world: World) -> None:
    await world.define(limited("guard"))
    first = await world.start("guard", input=b'{"value": 1, "repository": "a"}')
    second = await world.start("guard", input=b'{"value": 1, "repository": "a"}')
    await world.pool.execute("update run set concurrency_key = 'elsewhere' where id = $1", first.run_id)

    await world.engine.slots.grant_all()

    assert await state_of(world, second.run_id) == "running"


async def test_a_queued_run_can_be_cancelled(world: World) -> None:
    await world.define(limited("guard"))
    await world.start("guard", input=b'{"value": 1, "repository": "a"}')
    second = await world.start("guard", input=b'{"value": 1, "repository": "a"}')

    outcome = await world.engine.control(
        "default", second.run_id, CancelRequested(by="ada", reason="changed my mind")
    )

    assert outcome is Outcome.APPLIED
    assert await state_of(world, second.run_id) == "cancelled"


async def test_a_retried_run_queues_for_a_slot_like_a_new_one(world: World) -> None:
    await world.define(limited("guard"))
    given = b'{"value": 1, "repository": "a"}'
    first = (await world.start("guard", input=given)).run_id
    await world.engine.handle([(first, CancelRequested("ada", "not now"))])
    second = (await world.start("guard", input=given)).run_id

    await world.engine.handle([(first, RetryRequested("ada"))])
    assert await state_of(world, first) == "queued"
    await world.succeed(second, "n0")
    await until(world, first, "running")

    await world.succeed(first, "n0", attempt=2)
    assert await state_of(world, first) == "succeeded"


@pytest.mark.parametrize(
    ("input", "said"),
    [
        (b'{"value": 1}', "concurrency.key: ${{ inputs.repository }}: "),
        (b'{"value": 1, "repository": "%s"}' % (b"x" * 201), "the key has 201 characters, the limit is 200"),
        (b'{"value": 1, "repository": "a\\u0000b"}', "the key holds a NUL character"),
    ],
)
async def test_a_key_that_cannot_be_made_refuses_its_run_alone(world: World, input: bytes, said: str) -> None:
    await world.define(limited("guard"))

    refused, started = await asyncio.gather(
        world.start("guard", input=input),
        world.start("guard", input=b'{"value": 1, "repository": "a"}'),
        return_exceptions=True,
    )

    assert isinstance(refused, InvalidInput)
    assert refused.problems[0].path == "concurrency.key"
    assert said in str(refused)
    assert isinstance(started, Started)
