"""Events become commits: in batches, guarded, and each run by itself."""

import asyncio
from uuid import uuid4

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptSucceeded,
    CancelRequested,
    RetryRequested,
)
from penstock.contracts.failure import ErrorClass, Failure
from tests.engine.conftest import World, chain
from tests.invariants import STATEMENTS

NETWORK = Failure("ConnectionReset", "the peer went away", ErrorClass.NETWORK, stack="Traceback …")


async def assert_invariants(world: World) -> None:
    for name, statement in STATEMENTS.items():
        assert await world.pool.fetch(statement) == [], name


async def test_a_chain_runs_to_its_end_and_hands_values_on(world: World) -> None:
    await world.define({**chain("three", length=3), "output": {"last": "${{ nodes.n2.output.value }}"}})
    run = (await world.start("three", input=b'{"value": 41}')).run_id

    for name in ("n0", "n1", "n2"):
        assert (await world.node(run, name))["input"] == '{"value":41}'
        await world.succeed(run, name, output=b'{"value": 41}')

    ended = await world.run(run)
    assert (ended["state"], ended["output"], ended["nodes_open"]) == ("succeeded", '{"last":41}', 0)
    await assert_invariants(world)


async def test_one_token_gets_the_attempt_and_may_ask_again(world: World) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    tokens = [uuid4() for _ in range(5)]

    first = await world.engine.handle([(run, AttemptClaimed("n0", 1, t, f"r-{t}")) for t in tokens])
    again = await world.engine.handle([(run, AttemptClaimed("n0", 1, t, f"r-{t}")) for t in tokens])

    assert first.count(Outcome.APPLIED) == 1
    assert again.index(Outcome.REPEATED) == first.index(Outcome.APPLIED)
    assert again.count(Outcome.REPEATED) == 1
    await assert_invariants(world)


async def test_two_orchestrators_grant_an_attempt_once(world: World, second_world: World) -> None:
    await world.define(chain("pair"))
    runs = [(await world.start("pair")).run_id for _ in range(10)]

    answers = await asyncio.gather(
        *(
            w.engine.handle([(run, AttemptClaimed("n0", 1, uuid4(), "r")) for run in runs])
            for w in (world, second_world)
            for _ in range(4)
        )
    )

    for position in range(len(runs)):
        assert [answer[position] for answer in answers].count(Outcome.APPLIED) == 1
    await assert_invariants(world)


async def test_what_another_orchestrator_did_is_seen(world: World, second_world: World) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id

    await second_world.succeed(run, "n0")
    await world.succeed(run, "n1")

    assert (await world.run(run))["state"] == "succeeded"
    await assert_invariants(world)


async def test_a_result_without_the_right_token_changes_nothing(world: World) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    await world.claim(run, "n0")

    answer = await world.engine.handle([(run, AttemptSucceeded("n0", 1, uuid4(), b"{}"))])

    assert answer == [Outcome.LATE]
    assert (await world.node(run, "n0"))["state"] == "running"


async def test_an_unknown_run_is_answered_with_none(world: World) -> None:
    assert await world.engine.handle([(uuid4(), AttemptSucceeded("n0", 1, uuid4(), b"{}"))]) == [None]


async def test_what_the_database_refuses_fails_alone(world: World) -> None:
    await world.define(chain("pair"))
    runs = [(await world.start("pair")).run_id for _ in range(4)]

    answers = await world.engine.handle(
        [(run, AttemptClaimed("n0", 1, uuid4(), "nul\x00" if i == 2 else "r")) for i, run in enumerate(runs)]
    )

    assert [answer == Outcome.APPLIED for answer in answers] == [True, True, False, True]
    assert isinstance(answers[2], Exception)
    assert (await world.node(runs[2], "n0"))["state"] == "ready"
    await assert_invariants(world)


async def test_the_fence_refuses_a_node_that_was_changed_behind_the_run(world: World) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token = await world.claim(run, "n0")
    await world.pool.execute("update node set token = $2 where run_id = $1", run, uuid4())

    (answer,) = await world.engine.handle([(run, AttemptSucceeded("n0", 1, token, b'{"value": 1}'))])

    assert "fence" in str(answer)
    assert await world.kinds(run) == ["run.started", "node.ready", "node.started"]


async def test_a_failure_keeps_type_message_and_stack(world: World) -> None:
    await world.define(chain("pair", retry="none"))
    run = (await world.start("pair")).run_id
    token = await world.claim(run, "n0")

    await world.engine.handle([(run, AttemptFailed("n0", 1, token, NETWORK, 0.0))])

    data = await world.pool.fetchval(
        "select data from run_event where run_id = $1 and kind = 'node.failed'", run
    )
    for text in ("ConnectionReset", "the peer went away", "network", "Traceback"):
        assert text in data
        assert text in (await world.node(run, "n0"))["failure"]
    assert (await world.run(run))["state"] == "failed"
    await assert_invariants(world)


async def test_a_wide_run_is_saved_in_one_batch(world: World) -> None:
    nodes = {f"m{i}": {"agent": "echo"} for i in range(150)}
    await world.define({"name": "wide", "nodes": nodes})
    run = (await world.start("wide")).run_id
    tokens = {name: uuid4() for name in nodes}

    claimed = await world.engine.handle([(run, AttemptClaimed(n, 1, t, "r")) for n, t in tokens.items()])
    done = await world.engine.handle([(run, AttemptSucceeded(n, 1, t, b"{}")) for n, t in tokens.items()])

    assert set(claimed) == set(done) == {Outcome.APPLIED}
    assert (await world.run(run))["state"] == "succeeded"
    await assert_invariants(world)


async def test_cancel_and_retry_take_a_run_there_and_back(world: World) -> None:
    await world.define(chain("three", length=3))
    run = (await world.start("three")).run_id
    await world.succeed(run, "n0")

    assert (
        await world.engine.control("default", run, CancelRequested(by="ann", reason="wrong input"))
        is Outcome.APPLIED
    )
    assert (
        await world.engine.control("default", run, CancelRequested(by="ann", reason="again"))
        is Outcome.REPEATED
    )
    assert (await world.run(run))["state"] == "cancelled"
    await assert_invariants(world)
    assert await world.engine.control("default", run, RetryRequested(by="ben")) is Outcome.APPLIED
    assert (await world.node(run, "n0"))["state"] == "succeeded"
    attempt = (await world.node(run, "n1"))["attempt"]
    await world.succeed(run, "n1", attempt=attempt)
    await world.succeed(run, "n2")

    assert (await world.run(run))["state"] == "succeeded"
    await assert_invariants(world)
