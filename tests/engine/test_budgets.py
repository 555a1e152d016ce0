"""Budgets: whoever asks at the same time, none is overspent; forks, sub-workflows and days count where they belong."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import (
    Answered,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    ResumeRequested,
)
from orchestrator.engine.model_calls import ModelCalls
from orchestrator.engine.port import ForkPoint
from orchestrator.store.composed import Database, open_database
from penstock.contracts.budget import Allowance, BudgetDefinition, OnSpent
from penstock.contracts.errors import Conflict
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.model_messages import ModelCallEnd, ModelCallVerdict, Verdict
from tests.engine.conftest import World
from tests.engine.model_calls import Caller, account, answer, control, fail_and_retry, hold, talker
from tests.engine.test_apply import assert_invariants


@pytest.fixture
async def composed(database: str) -> AsyncIterator[Database]:
    opened = open_database(database)
    yield opened
    await opened.dispose()


async def begun(world: World, name: str = "talk", **fields: Any) -> Caller:
    return await hold(world, (await world.start(name, **fields)).run_id)


async def facts(world: World, run: UUID, kind: str) -> list[str]:
    rows = await world.pool.fetch("select data from run_event where run_id = $1 and kind = $2", run, kind)
    return [row["data"] for row in rows]


async def test_a_hundred_calls_at_once_do_not_overspend(world: World, second_world: World) -> None:
    await world.define(talker("talk", run={"dollars": 4.0}))
    caller = await begun(world)
    calls = ModelCalls(second_world.pool, second_world.engine, patience=timedelta(0))
    other = Caller(calls, caller.run, caller.token, node="n0", attempt=1)

    asked = [(caller, other)[i % 2].begin(f"prompt {i}", dollars_most=0.4) for i in range(100)]
    verdicts = [verdict.verdict for verdict in await asyncio.gather(*asked)]

    assert verdicts.count(Verdict.GO) == 10
    assert verdicts.count(Verdict.REFUSED) == 90
    assert await account(world, f"run/{caller.run}") == (0.0, 0, 4.0, 1000)


async def test_what_was_reserved_and_not_used_is_there_again(world: World) -> None:
    await world.define(talker("talk", run={"tokens": 120}))
    caller = await begun(world)
    wish = caller.wish("one")
    await caller.calls.begin(wish)
    assert (await caller.begin("two")).verdict is Verdict.REFUSED

    await caller.calls.end(ModelCallEnd(wish.call, 0.1, answer(tokens=10)))

    assert (await caller.begin("two")).verdict is Verdict.GO


async def test_of_two_calls_in_the_same_instant_one_gets_the_last_room(
    world: World, second_world: World
) -> None:
    await world.define(talker("talk", run={"tokens": 150}))
    caller = await begun(world)
    await caller.call("the accounts are there")
    calls = ModelCalls(second_world.pool, second_world.engine, patience=timedelta(0))
    other = Caller(calls, caller.run, caller.token, node="n0", attempt=1)

    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("select 1 from budget_account for update")
        asked = [asyncio.create_task(each.begin(f"{each}")) for each in (caller, other)]
        await until_waiting(world, len(asked))

    verdicts = {verdict.verdict for verdict in await asyncio.gather(*asked)}
    assert verdicts == {Verdict.GO, Verdict.REFUSED}


async def until_waiting(world: World, count: int) -> None:
    """So many transactions wait for a lock of this database."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(10):
        while await world.pool.fetchval(waiting) < count:
            await asyncio.sleep(0.01)


async def test_a_call_waits_for_others_whose_reservations_leave_no_room(world: World) -> None:
    await world.define(talker("talk", run={"tokens": 120}, on_limit="pause"))
    caller = await begun(world)
    caller.calls = ModelCalls(world.pool, world.engine)
    running = caller.wish("one")
    await caller.calls.begin(running)
    waiting = asyncio.create_task(caller.begin("two"))
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()

    await caller.calls.end(ModelCallEnd(running.call, 0.1, answer(tokens=5)))

    assert (await waiting).verdict is Verdict.GO
    assert (await world.run(caller.run))["state"] == "running"


async def test_a_call_whose_runner_dies_while_it_waits_for_room_is_not_charged(world: World) -> None:
    await world.define(talker("talk", run={"tokens": 120}, on_limit="pause"))
    caller = await begun(world)
    caller.calls = ModelCalls(world.pool, world.engine)
    running = caller.wish("one")
    await caller.calls.begin(running)
    waiting = asyncio.create_task(caller.begin("two"))
    await asyncio.wait({waiting}, timeout=0.05)

    await fail_and_retry(world, caller)
    await caller.calls.end(ModelCallEnd(running.call, 0.1, answer(tokens=5)))

    assert (await waiting).verdict is Verdict.LOST
    assert await account(world, f"run/{caller.run}") == (0.1, 10, 0.0, 0)


async def test_the_refusal_says_which_budget_and_what_is_left_and_is_told_once(world: World) -> None:
    await world.define(talker("talk", run={"dollars": 0.5}))
    caller = await begun(world)
    await caller.call("one", reply=answer(cost=0.3))

    sentences = {(await caller.begin("two")).sentence for _ in range(2)}

    assert sentences == {
        f"the budget of run {caller.run} is 0.50 dollars: 0.30 are spent, 0.00 are reserved by calls that run,"
        " and this call may take 0.40"
    }
    assert len(await facts(world, caller.run, "run.budget_exceeded")) == 1


async def test_dollars_and_an_unknown_price_do_not_go_together(world: World) -> None:
    await world.define(talker("talk", run={"dollars": 5}, on_limit="ask"))
    await world.define(talker("count", run={"tokens": 500}))
    priced, counted = await begun(world), await begun(world, "count")

    refused = await priced.begin(dollars_most=None)

    assert (refused.verdict, (await counted.begin(dollars_most=None)).verdict) == (
        Verdict.REFUSED,
        Verdict.GO,
    )
    assert "set a price in the models file of the runner, or a budget in tokens" in refused.sentence


async def test_attempts_share_the_budget_and_a_replay_costs_nothing(world: World) -> None:
    await world.define(talker("talk", run={"tokens": 115}))
    caller = await begun(world)
    await caller.call("one")

    retried = await fail_and_retry(world, caller)

    assert (await retried.begin("one")).verdict is Verdict.REPLAY
    assert (await retried.begin("two")).verdict is Verdict.GO
    assert (await retried.begin("three")).verdict is Verdict.REFUSED


async def test_a_fork_spends_from_the_run_that_it_was_forked_from(world: World) -> None:
    await world.define(talker("talk", run={"tokens": 120}))
    caller = await begun(world)
    await caller.call("one")
    await world.engine.handle([(caller.run, AttemptSucceeded("n0", 1, caller.token, b'{"value": 1}'))])

    fork = await begun(world, fork=ForkPoint(caller.run, "n0"))
    second = await begun(world, fork=ForkPoint(fork.run, "n0"))

    assert await fork.call("two") is Verdict.GO
    assert await second.call("three") is Verdict.REFUSED, "the fork of the fork shares it too"
    assert await account(world, f"run/{caller.run}") == (0.2, 30, 0.0, 0)


async def test_a_sub_workflow_spends_from_its_own_budget_and_from_its_parents(world: World) -> None:
    await world.define(talker("inner", run={"tokens": 150}))
    outer = {"name": "outer", "nodes": {"a": {"workflow": "inner", "with": {"value": 1}}}}
    await world.define({**outer, "budget": {"run": {"tokens": 1000}, "day": {"tokens": 130}}})
    parent = (await world.start("outer")).run_id
    child = await child_of(world, parent)
    caller = await hold(world, child)

    assert await caller.call("one") is Verdict.GO
    assert "budget of workflow 'outer' for" in (await caller.begin("two", tokens_most=120)).sentence
    assert f"the budget of run {child} is" in (await caller.begin("three", tokens_most=140)).sentence
    for key in (f"run/{parent}", f"run/{child}", "workflow/inner/total", "workflow/outer/total"):
        assert await account(world, key) == (0.1, 15, 0.0, 0)


async def child_of(world: World, parent: UUID) -> UUID:
    """The run that the parent's node starts; it is started right after the parent's commit."""
    async with asyncio.timeout(10):
        while (
            child := await world.pool.fetchval("select id from run where parent_run = $1", parent)
        ) is None:
            await asyncio.sleep(0.01)
    return UUID(str(child))


async def test_a_day_ends_at_midnight_of_utc(world: World) -> None:
    await world.define(talker("talk", day={"tokens": 120}))
    caller = await begun(world)
    await caller.call("one")
    other = await begun(world)
    assert (await other.begin("two", tokens_most=110)).verdict is Verdict.REFUSED, "all runs of the day count"

    await world.pool.execute(
        "update budget_account set day = day - 1, key = replace(key, day::text, (day - 1)::text)"
        " where day is not null"
    )

    assert (await other.begin("two", tokens_most=110)).verdict is Verdict.GO


async def test_a_call_that_runs_over_midnight_is_of_the_day_on_which_it_began(world: World) -> None:
    await world.define(talker("talk", day={"tokens": 120}))
    caller = await begun(world)
    wish = caller.wish()
    await caller.calls.begin(wish)
    keys = "array(select replace(k, current_date::text, (current_date - 1)::text) from unnest(accounts) k)"
    await world.pool.execute(f"update model_call set accounts = {keys}")
    await world.pool.execute(
        "update budget_account set day = day - 1, key = replace(key, day::text, (day - 1)::text)"
        " where day is not null"
    )

    await caller.calls.end(ModelCallEnd(wish.call, 1.0, answer()))

    day = await world.pool.fetchrow("select * from budget_account where scope = 'workflow_day'")
    assert (day["tokens_spent"], day["tokens_reserved"]) == (15, 0)


async def test_pause_gives_the_attempt_back_and_goes_on_after_a_raise(
    world: World, composed: Database
) -> None:
    await world.define(talker("talk", run={"dollars": 0.3}, on_limit="pause"))
    caller = await begun(world)

    parked = await caller.begin()

    assert (parked.verdict, parked.question) == (Verdict.PARK, None)
    assert (await world.run(caller.run))["state"] == "paused"
    (paused,) = await facts(world, caller.run, "run.paused")
    assert '"by":"budget"' in paused
    assert "0.30 dollars" in paused
    await world.engine.handle([(caller.run, AttemptReleased("n0", 1, caller.token))])
    again = await resumed(world, caller)
    assert (await again.begin()).verdict is Verdict.PARK, "still over: it pauses again"
    await world.engine.handle([(caller.run, AttemptReleased("n0", 2, again.token))])

    shown = await control(world, composed).raise_run(
        "default", caller.run, Allowance(dollars=1.0), by="ada", reason="worth it"
    )

    assert (shown.dollars.limit, shown.dollars.left) == (1.3, 1.3)
    assert await facts(world, caller.run, "run.budget_raised")
    assert (await (await resumed(world, again)).begin()).verdict is Verdict.GO
    await assert_invariants(world)


async def resumed(world: World, caller: Caller) -> Caller:
    await world.engine.handle([(caller.run, ResumeRequested("ada"))])
    return await hold(world, caller.run, attempt=caller.attempt + 1)


async def parked(world: World, caller: Caller, verdict: ModelCallVerdict) -> AgentQuestion:
    """The runner parks the attempt with the question that it was given."""
    assert verdict.question is not None
    event = AttemptParked("n0", caller.attempt, caller.token, verdict.question)
    assert await world.engine.handle([(caller.run, event)]) == [Outcome.APPLIED]
    return verdict.question


async def test_ask_raises_the_budget_by_what_a_person_says(world: World) -> None:
    await world.define(talker("talk", run={"dollars": 0.5}, on_limit="ask"))
    caller = await begun(world)
    await caller.call("one", reply=answer(cost=0.3))

    question = await parked(world, caller, await caller.begin("two"))
    yes = Answered("n0", True, "ada", "worth it", {"dollars": 0.3})
    assert await world.engine.answer("default", caller.run, yes) is Outcome.APPLIED
    assert await world.engine.answer("default", caller.run, yes) is Outcome.REPEATED

    again = await hold(world, caller.run, attempt=2)
    assert (await again.begin("one")).verdict is Verdict.REPLAY
    assert await again.call("two", reply=answer(cost=0.3)) is Verdict.GO
    second = await parked(world, again, await again.begin("three"))
    assert (question.key, second.key) == ("budget/run", "budget/run/2")
    raised = await world.pool.fetchrow("select * from budget_event")
    assert (raised["action"], raised["by"], float(raised["dollars"])) == ("raised", "ada", 0.3)
    assert len(await facts(world, caller.run, "run.budget_raised")) == 1
    assert len(await facts(world, caller.run, "run.budget_exceeded")) == 2, (
        "once before the raise, once after"
    )
    await assert_invariants(world)


async def test_who_does_not_want_to_raise_it_is_not_asked_again(world: World) -> None:
    await world.define(talker("talk", day={"tokens": 50}, on_limit="ask"))
    caller = await begun(world)
    await parked(world, caller, await caller.begin())

    await world.engine.answer("default", caller.run, Answered("n0", False, "ada", "enough"))

    refused = await (await hold(world, caller.run, attempt=2)).begin()
    assert refused.verdict is Verdict.REFUSED
    assert refused.sentence.endswith("; ada did not want to raise it")
    other = await begun(world)
    assert (await other.begin()).verdict is Verdict.PARK, "it was said of that run"


async def test_an_agents_own_question_raises_nothing(world: World) -> None:
    await world.define(talker("talk", run={"tokens": 50}, on_limit="ask"))
    caller = await begun(world)
    form = {"type": "object", "properties": {"tokens": {"type": "integer"}}}
    own = AgentQuestion("budget/run", "Lunch?", {"budget": f"run/{caller.run}"}, form)
    await caller.begin("one", tokens_most=10)
    await parked(world, caller, ModelCallVerdict(Verdict.PARK, question=own))

    await world.engine.answer("default", caller.run, Answered("n0", True, "ada", "", {"tokens": 500}))

    assert await world.pool.fetchval("select max(tokens_raised) from budget_account") == 0


async def test_what_limits_nothing_cannot_be_raised(world: World, composed: Database) -> None:
    await world.define(talker("talk", run={"tokens": 5}))
    caller = await begun(world)

    with pytest.raises(Conflict, match="has a budget in dollars"):
        await control(world, composed).raise_run(
            "default", caller.run, Allowance(dollars=1.0), by="ada", reason=""
        )


async def test_a_projects_budget_counts_what_was_spent_before_it_was_set(
    world: World, composed: Database
) -> None:
    await world.define(talker("talk", total={"tokens": 10_000}))
    caller = await begun(world)
    await caller.call("one", reply=answer(cost=0.3))
    budgets = control(world, composed)

    await budgets.set(
        "default", BudgetDefinition(day=Allowance(dollars=0.5), on_limit=OnSpent.FAIL), by="ada", reason=""
    )

    refused = await caller.begin("two")
    assert refused.verdict is Verdict.REFUSED
    assert "the budget of the project for" in refused.sentence
    shown = {
        view.scope: view for view in (await budgets.list("default", workflow=None, run=None, day=None)).items
    }
    assert (shown["project_day"].dollars.limit, shown["project_day"].dollars.left) == (0.5, 0.2)
    assert shown["workflow_total"].tokens.left == 9_985
    assert shown["run"].tokens.left is None
    await budgets.clear("default", by="ada", reason="")
    assert (await caller.begin("two")).verdict is Verdict.GO


async def test_a_new_version_changes_the_budget_of_the_day_for_runs_of_old_ones(world: World) -> None:
    await world.define(talker("talk", day={"tokens": 50}))
    caller = await begun(world)
    assert (await caller.begin()).verdict is Verdict.REFUSED

    await world.pool.execute(
        "insert into workflow_version (project, name, version, digest, source)"
        " select project, name, 2, 'two', replace(source::text, '50', '500')::json from workflow_version"
    )
    await world.pool.execute("update workflow set latest_version = 2")

    assert (await caller.begin()).verdict is Verdict.GO


async def test_of_two_budgets_the_stricter_one_decides(world: World, composed: Database) -> None:
    await world.define(talker("talk", run={"dollars": 0.1}, on_limit="ask"))
    caller = await begun(world)
    await control(world, composed).set(
        "default", BudgetDefinition(total=Allowance(dollars=0.2)), by="ada", reason=""
    )

    assert "the whole budget of the project" in (await caller.begin()).sentence


async def test_old_days_are_told_too(world: World, composed: Database) -> None:
    await world.define(talker("talk", day={"tokens": 500}))
    caller = await begun(world)
    await caller.call()
    today = await world.pool.fetchval("select current_date")

    views = await control(world, composed).list(
        "default", workflow="talk", run=None, day=today - timedelta(days=1)
    )

    assert {view.key: view.tokens.spent for view in views.items if view.scope == "workflow_day"} == {
        f"workflow/talk/day/{today - timedelta(days=1)}": 0
    }
