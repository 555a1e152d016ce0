"""Circuit breakers on the real database: claims that wait, one probe over all orchestrators, growing steps."""

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptReleased,
    AttemptSucceeded,
    CancelRequested,
)
from orchestrator.engine.breakers import BreakerControl
from penstock.contracts.failure import ErrorClass, Failure
from tests.engine.conftest import World
from tests.engine.test_apply import assert_invariants

LLM = "dependency/llm"
DOWN = Failure("Down", "no answer", ErrorClass.HTTP_503)
WRONG = Failure("Wrong", "no such file", ErrorClass.VALIDATION)
CALLING = {"name": "calling", "nodes": {"call": {"agent": "echo", "depends_on": ["llm"], "retry": "none"}}}


@dataclass
class Callers:
    """Runs of one node each, which calls `llm`."""

    world: World

    async def start(self, count: int = 1) -> list[UUID]:
        return [(await self.world.start("calling")).run_id for _ in range(count)]

    async def claim(self, *runs: UUID, by: World | None = None) -> list[UUID | None]:
        """For each run the token, or None when it must wait."""
        tokens = [uuid4() for _ in runs]
        attempts = [(await self.world.node(run, "call"))["attempt"] for run in runs]
        answers = await (by or self.world).engine.handle(
            [
                (run, AttemptClaimed("call", attempt, token, "r"))
                for run, attempt, token in zip(runs, attempts, tokens, strict=True)
            ]
        )
        assert set(answers) <= {Outcome.APPLIED, Outcome.HELD}, answers
        return [
            token if answer is Outcome.APPLIED else None
            for token, answer in zip(tokens, answers, strict=True)
        ]

    async def end(self, run: UUID, token: UUID | None, failure: Failure | None = None) -> None:
        assert token is not None, "the claim was held"
        attempt = (await self.world.node(run, "call"))["attempt"]
        event = (
            AttemptFailed("call", attempt, token, failure, 0.0)
            if failure
            else AttemptSucceeded("call", attempt, token, b"{}")
        )
        assert await self.world.engine.handle([(run, event)]) == [Outcome.APPLIED]

    async def fail(self, count: int, failure: Failure = DOWN) -> None:
        runs = await self.start(count)
        for run, token in zip(runs, await self.claim(*runs), strict=True):
            await self.end(run, token, failure)

    async def succeed(self, run: UUID, token: UUID | None) -> None:
        await self.end(run, token)

    async def breaker(self, key: str = LLM) -> asyncpg.Record:
        return await self.world.pool.fetchrow("select * from breaker where key = $1", key)

    async def cool_down(self) -> None:
        """The cooldown is over."""
        await self.world.pool.execute("update breaker set open_until = now()")

    async def wake(self, *runs: UUID) -> None:
        """Those whose timer has passed are offered again."""
        for run in runs:
            await self.world.time_passes(run)
        await self.world.sweep()

    async def due(self) -> set[UUID]:
        rows = await self.world.pool.fetch(
            "select run_id from node where state = 'suspended' and wake_at <= now()"
        )
        return {row["run_id"] for row in rows}

    async def held(self, count: int) -> list[UUID]:
        """So many runs whose claims an open breaker refused."""
        runs = await self.start(count)
        assert await self.claim(*runs) == [None] * count
        return runs


@pytest.fixture
async def callers(world: World) -> Callers:
    await world.define(CALLING)
    return Callers(world)


async def test_five_failures_open_it_and_the_next_claim_waits_at_no_cost(callers: Callers) -> None:
    await callers.fail(5)
    (run,) = await callers.held(1)

    node = await callers.world.node(run, "call")
    assert (node["state"], node["attempt"], node["first_attempt"], node["token"]) == ("suspended", 1, 2, None)
    assert json.loads(node["detail"])["key"] == LLM
    assert "5 of 5 calls failed, last: Down: no answer" in json.loads(node["detail"])["sentence"]
    breaker = await callers.breaker()
    assert (breaker["state"], breaker["refusals"]) == ("open", 1)
    assert abs(node["wake_at"] - breaker["open_until"]) < timedelta(seconds=1)
    kinds = await callers.world.kinds(run)
    assert kinds == ["run.started", "node.ready", "node.suspended"]
    await assert_invariants(callers.world)


async def test_bad_input_lost_runners_and_cancellations_open_nothing(callers: Callers) -> None:
    await callers.fail(6, WRONG)
    for run in await callers.start(6):
        (token,) = await callers.claim(run)
        assert token is not None
        await callers.world.engine.handle([(run, CancelRequested("ann", "enough"))])
        await callers.end(run, token, DOWN)

    assert (await callers.breaker())["state"] == "closed"


async def test_one_probe_goes_through_over_all_orchestrators(callers: Callers, second_world: World) -> None:
    await callers.fail(5)
    runs = await callers.held(10)
    await callers.cool_down()
    await callers.wake(*runs)

    here, there = await asyncio.gather(callers.claim(*runs[:5]), callers.claim(*runs[5:], by=second_world))

    assert sum(token is not None for token in [*here, *there]) == 1
    assert (await callers.breaker())["state"] == "half_open"
    await assert_invariants(callers.world)


async def test_recovery_wakes_what_waits_in_growing_steps(callers: Callers) -> None:
    await callers.fail(5)
    runs = await callers.held(8)
    await callers.cool_down()
    await callers.wake(runs[0])
    (probe,) = await callers.claim(runs[0])

    assert await callers.due() == set()
    await callers.succeed(runs[0], probe)
    assert await callers.due() == {runs[1], runs[2]}
    await callers.world.sweep()
    tokens = await callers.claim(runs[1], runs[2])
    for run, token in zip(runs[1:3], tokens, strict=True):
        await callers.succeed(run, token)
    assert await callers.due() == set(runs[3:7])

    await callers.world.sweep()
    tokens = await callers.claim(*runs[3:7])
    for run, token in zip(runs[3:7], tokens, strict=True):
        await callers.succeed(run, token)
    assert (await callers.breaker())["state"] == "closed"
    assert await callers.due() == {runs[7]}
    await assert_invariants(callers.world)


async def test_a_failing_probe_opens_it_for_another_cooldown(callers: Callers) -> None:
    await callers.fail(5)
    (run, other) = await callers.held(2)
    await callers.cool_down()
    await callers.wake(run)
    (probe,) = await callers.claim(run)
    await callers.end(run, probe, DOWN)

    breaker = await callers.breaker()
    left = await callers.world.pool.fetchval("select open_until - now() from breaker")
    assert (breaker["state"], left > timedelta(seconds=55)) == ("open", True)
    await callers.wake(other)
    assert await callers.claim(other) == [None]
    assert (await callers.world.node(other, "call"))["attempt"] == 2


async def test_a_probe_that_is_given_back_leaves_its_place_to_another(callers: Callers) -> None:
    await callers.fail(5)
    (run, other) = await callers.held(2)
    await callers.cool_down()
    await callers.wake(run)
    (probe,) = await callers.claim(run)
    assert probe is not None

    await callers.world.engine.handle([(run, AttemptReleased("call", 2, probe))])
    assert await callers.due() == {other}
    await callers.world.sweep()

    assert None not in await callers.claim(other)


async def test_a_held_node_spends_no_attempt_and_still_has_its_retries(callers: Callers) -> None:
    world = callers.world
    node = {"agent": "echo", "depends_on": ["llm"], "retry": {"attempts": 2, "delay": "1ms"}}
    await world.define({"name": "patient", "nodes": {"call": node}})
    await callers.fail(5)
    run = (await world.start("patient")).run_id
    assert await callers.claim(run) == [None]
    await callers.cool_down()
    await callers.wake(run)

    (first,) = await callers.claim(run)
    await callers.end(run, first, DOWN)
    assert (await world.node(run, "call"))["state"] == "backoff"


async def test_a_nodes_own_breaker_has_the_policy_of_its_definition(callers: Callers) -> None:
    world = callers.world
    touchy = {"agent": "echo", "breaker": {"failures": 1, "minimum": 1, "cooldown": "5m"}, "retry": "none"}
    await world.define({"name": "touchy", "nodes": {"call": touchy}})
    first, second = [(await world.start("touchy")).run_id for _ in range(2)]
    (token,) = await callers.claim(first)
    await callers.end(first, token, DOWN)

    assert await callers.claim(second) == [None]
    breaker = await callers.breaker("workflow/touchy/call")
    assert breaker["open_until"] - breaker["opened_at"] == timedelta(minutes=5)


async def test_a_repeated_claim_of_the_probe_is_granted_again(callers: Callers) -> None:
    await callers.fail(5)
    (run,) = await callers.held(1)
    await callers.cool_down()
    await callers.wake(run)
    token = uuid4()
    claim = (run, AttemptClaimed("call", 2, token, "r"))

    assert await callers.world.engine.handle([claim]) == [Outcome.APPLIED]
    assert await callers.world.engine.handle([claim]) == [Outcome.REPEATED]
    assert len(json.loads((await callers.breaker())["permits"])) == 1


async def test_what_is_not_saved_does_not_count(callers: Callers) -> None:
    """The fence refuses the fifth failure: the breaker takes it back with the run's change."""
    await callers.fail(4)
    (run,) = await callers.start()
    (token,) = await callers.claim(run)
    await callers.world.pool.execute("update node set token = $2 where run_id = $1", run, uuid4())

    (answer,) = await callers.world.engine.handle(
        [(run, AttemptFailed("call", 1, token or uuid4(), DOWN, 0.0))]
    )

    assert isinstance(answer, Exception)
    assert (await callers.breaker())["state"] == "closed"


async def test_a_stale_run_is_decided_again_with_the_breakers_of_then(
    callers: Callers, second_world: World
) -> None:
    await callers.fail(5)
    (run,) = await callers.held(1)
    await callers.cool_down()
    await second_world.engine.runs.fetch([run])  # the other one remembers the run as it is now
    await callers.wake(run)

    answers = await second_world.engine.handle([(run, AttemptClaimed("call", 2, uuid4(), "r"))])

    assert answers == [Outcome.APPLIED]
    assert len(json.loads((await callers.breaker())["permits"])) == 1


async def test_who_opened_and_closed_it_is_kept(callers: Callers) -> None:
    await callers.fail(5)
    control = BreakerControl(callers.world.pool)
    await control.close("default", LLM, by="ann", reason="it is back")

    rows = await callers.world.pool.fetch(
        "select from_state, to_state, by, reason from breaker_event order by id"
    )
    assert [tuple(row) for row in rows] == [
        ("closed", "open", "penstock", "5 of 5 calls failed, last: Down: no answer"),
        ("open", "closed", "ann", "it is back"),
    ]
    (run,) = await callers.start()
    assert None not in await callers.claim(run)


async def test_a_healthy_dependency_costs_no_write(callers: Callers) -> None:
    runs = await callers.start(3)
    tokens = await callers.claim(*runs)
    before = await callers.world.pool.fetchval("select xmin::text from breaker")
    for run, token in zip(runs, tokens, strict=True):
        await callers.succeed(run, token)

    assert await callers.world.pool.fetchval("select xmin::text from breaker") == before


async def test_items_of_a_foreach_count_for_their_node(callers: Callers) -> None:
    world = callers.world
    node = {"agent": "echo", "foreach": [1, 2, 3], "breaker": {"failures": 2, "minimum": 2}, "retry": "none"}
    await world.define({"name": "spread", "nodes": {"each": node}})
    run = (await world.start("spread")).run_id
    tokens = [uuid4() for _ in range(3)]
    first = [(run, AttemptClaimed(f"each[{n}]", 1, tokens[n], "r")) for n in range(2)]
    await world.engine.handle(first)
    await world.engine.handle([(run, AttemptFailed(f"each[{n}]", 1, tokens[n], DOWN, 0.0)) for n in range(2)])

    assert (await callers.breaker("workflow/spread/each"))["state"] == "open"


async def test_orchestrators_that_meet_at_many_breakers_do_not_block_each_other(
    world: World, second_world: World
) -> None:
    orders = {"ab": ["a", "b"], "ba": ["b", "a"], "cab": ["c", "a", "b"]}
    for name, depends_on in orders.items():
        node = {"agent": "echo", "depends_on": depends_on, "retry": "none"}
        await world.define({"name": f"on-{name}", "nodes": {"call": node}})
    runs = [(await world.start(f"on-{name}")).run_id for _ in range(12) for name in orders]

    async def call(by: World, run: UUID, *, number: int) -> None:
        token = uuid4()
        (answer,) = await by.engine.handle([(run, AttemptClaimed("call", 1, token, "r"))])
        if answer is Outcome.APPLIED:
            failed = AttemptFailed("call", 1, token, DOWN, 0.0)
            done = failed if number % 3 else AttemptSucceeded("call", 1, token, b"{}")
            assert await by.engine.handle([(run, done)]) == [Outcome.APPLIED]

    worlds = (world, second_world)
    await asyncio.gather(*(call(worlds[n % 2], run, number=n) for n, run in enumerate(runs)))
    control = BreakerControl(world.pool)
    await asyncio.gather(
        *(control.close("default", f"dependency/{name}", by="ann", reason="") for name in "abc")
    )

    states = await world.pool.fetch("select distinct state from breaker")
    assert [row["state"] for row in states] == ["closed"]
    await assert_invariants(world)
