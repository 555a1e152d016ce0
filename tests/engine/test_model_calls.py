"""Calls of models: fenced, made once over the attempts of a node, and charged whatever becomes of their attempt."""

from uuid import uuid4

import msgspec

from orchestrator.domain.events import AttemptSucceeded
from penstock.contracts.model_messages import ModelCallEnd, Verdict
from tests.engine.conftest import World, chain
from tests.engine.model_calls import account, answer, fail_and_retry, hold, talker
from tests.engine.test_apply import assert_invariants


async def test_a_retried_attempt_gets_the_answers_that_were_paid_for(world: World) -> None:
    await world.define(talker("talk"))
    run = (await world.start("talk")).run_id
    first = await hold(world, run)
    assert await first.call("one") is Verdict.GO
    assert await first.call("one", occurrence=1, reply=answer("again")) is Verdict.GO
    second = await fail_and_retry(world, first)

    replayed = await second.begin("one")
    again = await second.begin("one", occurrence=1)
    new = await second.begin("two")

    assert (replayed.verdict, again.verdict, new.verdict) == (Verdict.REPLAY, Verdict.REPLAY, Verdict.GO)
    assert replayed.reply == answer()
    assert again.reply == answer("again")
    assert await account(world, f"run/{run}") == (0.2, 30, 0.4, 100)
    await assert_invariants(world)


async def test_another_runs_answer_is_not_given(world: World) -> None:
    await world.define(talker("talk"))
    one, other = [await hold(world, (await world.start("talk")).run_id) for _ in range(2)]
    await one.call("the same")

    assert await other.call("the same") is Verdict.GO


async def test_only_who_holds_the_attempt_may_call(world: World) -> None:
    await world.define(talker("talk"))
    run = (await world.start("talk")).run_id
    caller = await hold(world, run)

    assert (await caller.begin(token=uuid4())).verdict is Verdict.LOST
    await world.engine.handle([(run, AttemptSucceeded("n0", 1, caller.token, b"{}"))])
    assert (await caller.begin()).verdict is Verdict.LOST


async def test_a_repeated_begin_reserves_once_and_a_repeated_end_charges_once(world: World) -> None:
    await world.define(talker("talk"))
    caller = await hold(world, (await world.start("talk")).run_id)
    wish = caller.wish()

    assert [(await caller.calls.begin(wish)).verdict for _ in range(2)] == [Verdict.GO] * 2
    assert await account(world, "project/total") == (0.0, 0, 0.4, 100)
    assert [await caller.calls.end(ModelCallEnd(wish.call, 1.0, answer())) for _ in range(2)] == [True] * 2
    assert await account(world, "project/total") == (0.1, 15, 0.0, 0)
    assert (await caller.calls.begin(wish)).verdict is Verdict.REPLAY, "its answer may have been lost"
    assert not await caller.calls.end(ModelCallEnd(uuid4(), 1.0, answer())), "nobody began it"


async def test_a_failed_call_costs_what_it_used_and_is_made_again(world: World) -> None:
    await world.define(talker("talk"))
    caller = await hold(world, (await world.start("talk")).run_id)
    refused, broken = caller.wish("one"), caller.wish("two")
    for wish in (refused, broken):
        await caller.calls.begin(wish)

    await caller.calls.end(ModelCallEnd(refused.call, 0.1, error="connection refused"))
    await caller.calls.end(
        ModelCallEnd(broken.call, 0.1, error="broke off\x00", tokens_in=7, tokens_out=3, cost_dollars=0.05)
    )

    assert await account(world, f"run/{caller.run}") == (0.05, 10, 0.0, 0)
    assert await (await fail_and_retry(world, caller)).call("two") is Verdict.GO


async def test_an_unknown_cost_is_charged_with_what_was_reserved(world: World) -> None:
    await world.define(talker("talk"))
    caller = await hold(world, (await world.start("talk")).run_id)

    await caller.call(reply=answer(cost=None))

    assert await account(world, f"run/{caller.run}") == (0.4, 15, 0.0, 0)
    assert await world.pool.fetchval("select cost_dollars from model_call") is None
    assert await world.pool.fetchval("select unpriced from budget_account where scope = 'run'") == 1


async def test_an_answer_that_cannot_be_kept_is_paid_for_all_the_same(world: World) -> None:
    await world.define(talker("talk"))
    caller = await hold(world, (await world.start("talk")).run_id)

    await caller.call(reply=msgspec.structs.replace(answer(), body=msgspec.Raw(b"{no json")))

    assert await account(world, f"run/{caller.run}") == (0.1, 15, 0.0, 0)
    assert await world.pool.fetchval("select state from model_call") == "failed"


async def test_days_of_long_ago_are_forgotten(world: World) -> None:
    await world.define(talker("talk"))
    caller = await hold(world, (await world.start("talk")).run_id)
    await caller.call()
    await world.pool.execute("update budget_account set day = day - 401 where scope = 'project_day'")

    await caller.calls.forget()

    scopes = {row["scope"] for row in await world.pool.fetch("select scope from budget_account")}
    assert scopes == {"run", "workflow_day", "workflow_total", "project_total"}


async def test_a_call_whose_runner_died_is_charged_and_put_right_by_a_late_end(world: World) -> None:
    await world.define(talker("talk"))
    caller = await hold(world, (await world.start("talk")).run_id)
    wish = caller.wish()
    await caller.calls.begin(wish)
    await world.pool.execute("update model_call set began_at = began_at - interval '1 minute'")
    await caller.calls.sweep()
    assert await account(world, f"run/{caller.run}") == (0.0, 0, 0.4, 100), "its attempt is not over"

    await fail_and_retry(world, caller)
    await caller.calls.sweep()

    assert await account(world, f"run/{caller.run}") == (0.4, 100, 0.0, 0)
    assert await world.pool.fetchval("select state from model_call") == "lost"
    await caller.calls.end(ModelCallEnd(wish.call, 1.0, answer()))
    assert await account(world, f"run/{caller.run}") == (0.1, 15, 0.0, 0)
    assert await world.pool.fetchval("select unpriced from budget_account where scope = 'run'") == 0


async def test_a_new_iteration_is_no_retry(world: World) -> None:
    repeat = {"until": "${{ output.value == 2 }}", "max": 3}
    await world.define(chain("again", length=1, repeat=repeat))
    run = (await world.start("again")).run_id
    first = await hold(world, run)
    await first.call("draw a card")
    await world.engine.handle([(run, AttemptSucceeded("n0", 1, first.token, b'{"value": 1}'))])

    second = await hold(world, run, attempt=(await world.node(run, "n0"))["attempt"])

    assert (await second.begin("draw a card")).verdict is Verdict.GO
