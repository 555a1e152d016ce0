"""Limits of projects and pools: a slot is a live row, whoever counts, and it is free again when the row is."""

import asyncio
from uuid import UUID, uuid4

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded
from tests.engine.conftest import World, chain
from tests.engine.test_apply import assert_invariants


async def limit(world: World, maximum: int, *, scope: str = "project", name: str = "default") -> None:
    await world.pool.execute(
        "insert into execution_limit (scope, name, maximum) values ($1, $2, $3)"
        " on conflict (scope, name) do update set maximum = excluded.maximum",
        scope,
        name,
        maximum,
    )
    await world.engine.capacity.refresh()


async def running(world: World) -> int:
    return int(await world.pool.fetchval("select count(*) from node where state = 'running'"))


async def claims(world: World, runs: list[UUID], tokens: list[UUID]) -> list[object]:
    events = [(run, AttemptClaimed("n0", 1, token, "r")) for run, token in zip(runs, tokens, strict=True)]
    return list(await world.engine.handle(events))


async def test_one_batch_grants_as_many_as_there_is_room_for(world: World) -> None:
    await world.define(chain("pair"))
    runs = [(await world.start("pair")).run_id for _ in range(5)]
    await limit(world, 2)

    answers = await claims(world, runs, [uuid4() for _ in runs])

    assert answers == [Outcome.APPLIED] * 2 + [Outcome.REFUSED] * 3
    assert await running(world) == 2
    refused = await world.node(runs[4], "n0")
    assert (refused["state"], refused["attempt"]) == ("ready", 1), "a refusal spends no attempt"
    await assert_invariants(world)


async def test_a_granted_claim_that_is_repeated_takes_no_second_slot(world: World) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    await limit(world, 1)
    token = uuid4()

    assert await claims(world, [run], [token]) == [Outcome.APPLIED]
    assert await claims(world, [run], [token]) == [Outcome.REPEATED]


async def test_two_orchestrators_together_keep_a_limit_of_one(world: World, second_world: World) -> None:
    await world.define(chain("pair"))
    runs = [(await world.start("pair")).run_id for _ in range(8)]
    await limit(world, 1)
    await second_world.engine.capacity.refresh()

    for _ in range(4):
        tokens = [uuid4() for _ in runs]
        worlds = (world, second_world)
        halves = [claims(w, runs[i::2], tokens[i::2]) for i, w in enumerate(worlds)]
        first, second = await asyncio.gather(*halves)
        answers = [*first, *second]
        held = [*runs[0::2], *runs[1::2]][answers.index(Outcome.APPLIED)]
        assert (answers.count(Outcome.APPLIED), await running(world)) == (1, 1)
        token = (await world.node(held, "n0"))["token"]
        await second_world.engine.handle([(held, AttemptSucceeded("n0", 1, token, b'{"value": 1}'))])
        runs.remove(held)
    await assert_invariants(world)


async def test_a_lapsed_lease_frees_the_slot(world: World) -> None:
    await world.sweep()
    world.sweep._leases_from = 0.0
    await world.define(chain("pair"))
    dead, waiting = [(await world.start("pair")).run_id for _ in range(2)]
    await limit(world, 1)
    await world.claim(dead, "n0")
    assert await claims(world, [waiting], [uuid4()]) == [Outcome.REFUSED]

    await world.time_passes(dead)
    await world.sweep()

    assert await claims(world, [waiting], [uuid4()]) == [Outcome.APPLIED]


async def test_a_limit_of_a_pool_counts_its_runners_and_no_others(world: World) -> None:
    await world.define(chain("pair"))
    await world.define(chain("drawn", pool="gpu"))
    plain = [(await world.start("pair")).run_id for _ in range(2)]
    drawn = [(await world.start("drawn")).run_id for _ in range(2)]
    await world.pool.execute(
        "insert into runner (id, pool, host, slots, tier, agents)"
        " values ('r', 'default', 'h', 4, 'none', '[]'), ('g', 'gpu', 'h', 4, 'none', '[]')"
    )
    await limit(world, 1, scope="pool", name="gpu")

    assert await claims(world, plain, [uuid4(), uuid4()]) == [Outcome.APPLIED] * 2
    answers = await world.engine.handle(
        [(run, AttemptClaimed("n0", 1, uuid4(), "g", "gpu")) for run in drawn]
    )
    assert answers == [Outcome.APPLIED, Outcome.REFUSED]


async def test_what_the_database_refuses_fails_alone_also_under_a_limit(world: World) -> None:
    await world.define(chain("pair"))
    runs = [(await world.start("pair")).run_id for _ in range(3)]
    await limit(world, 10)

    answers = await world.engine.handle(
        [(run, AttemptClaimed("n0", 1, uuid4(), "nul\x00" if i == 1 else "r")) for i, run in enumerate(runs)]
    )

    assert [answer == Outcome.APPLIED for answer in answers] == [True, False, True]
    assert await running(world) == 2
