"""Budgets over HTTP: what is spent and left, limits of projects, raising a run, and what calls of models took."""

from uuid import UUID, uuid4

import httpx
import pytest

from orchestrator.composition import Parts
from orchestrator.domain.events import AttemptClaimed, LeaseLapsed
from penstock.contracts.model_messages import ModelCallEnd, Verdict
from tests.engine.model_calls import Caller, answer
from tests.http.builders import GREET, START, save

BUDGET = GREET + "budget: {run: {dollars: 0.5}, day: {tokens: 1000}}\n"


@pytest.fixture
async def caller(api: httpx.AsyncClient, parts: Parts) -> Caller:
    """An attempt of `greet`, which has a budget."""
    assert (await save(api, BUDGET)).status_code == 201
    run = UUID((await api.post("/runs", json=START)).json()["id"])
    token = uuid4()
    await parts.engine.handle([(run, AttemptClaimed("hello", 1, token, "runner-1"))])
    return Caller(parts.models, run, token, node="hello", attempt=1)


async def test_every_account_is_shown_with_limit_spent_reserved_and_left(
    api: httpx.AsyncClient, caller: Caller
) -> None:
    await caller.call("one")
    await caller.begin("two", dollars_most=0.3)

    items = (await api.get("/budgets")).json()["items"]

    shown = {item["scope"]: item for item in items}
    assert list(shown) == ["project_total", "project_day", "workflow_total", "workflow_day", "run"]
    assert shown["run"]["dollars"] == {
        "limit": 0.5,
        "raised": 0.0,
        "spent": 0.1,
        "reserved": 0.3,
        "left": 0.1,
    }
    assert shown["workflow_day"]["tokens"]["left"] == 1000 - 15 - 100
    assert shown["project_total"]["dollars"]["limit"] is None
    (of_run,) = (await api.get("/budgets", params={"run": str(caller.run)})).json()["items"]
    assert of_run == shown["run"]
    assert (await api.get("/budgets", params={"run": str(uuid4())})).status_code == 404
    past = (await api.get("/budgets", params={"day": "2026-01-01", "workflow": "greet"})).json()["items"]
    assert {item["key"]: item["tokens"]["spent"] for item in past if item["day"]} == {
        "workflow/greet/day/2026-01-01": 0
    }


async def test_a_projects_budget_is_set_shown_and_cleared(api: httpx.AsyncClient) -> None:
    body = {"day": {"dollars": 20}, "total": {"tokens": 5000}, "on_limit": "pause", "by": "ada"}
    assert (await api.get("/budgets/project")).status_code == 404

    put = await api.put("/budgets/project", json=body)

    assert (put.status_code, put.json()["on_limit"]) == (200, "pause")
    items = (await api.get("/budgets")).json()["items"]
    assert {item["scope"]: item["dollars"]["left"] for item in items} == {
        "project_total": None,
        "project_day": 20.0,
    }
    assert (await api.delete("/budgets/project", params={"by": "ada"})).status_code == 204
    assert (await api.delete("/budgets/project")).status_code == 404
    assert (await api.put("/budgets/project", json={"on_limit": "ask"})).status_code == 422
    assert (await api.put("/budgets/project", json={"day": {}})).status_code == 422


async def test_a_runs_budget_is_raised_and_the_timeline_says_by_whom(
    api: httpx.AsyncClient, caller: Caller
) -> None:
    assert (await caller.begin(dollars_most=0.6)).verdict is Verdict.REFUSED
    path = f"/runs/{caller.run}/budget"

    raised = await api.post(path, json={"dollars": 1, "by": "ada", "reason": "worth it"})

    assert raised.json()["dollars"]["limit"] == 1.5
    assert (await caller.begin(dollars_most=0.6)).verdict is Verdict.GO
    events = (await api.get(f"/runs/{caller.run}/events")).json()["items"]
    told = {event["kind"]: event["data"] for event in events}
    assert told["run.budget_raised"] == {
        "budget": f"run/{caller.run}",
        "by": "ada",
        "reason": "worth it",
        "dollars": 1.0,
    }
    assert told["run.budget_exceeded"]["on_limit"] == "fail"
    assert (await api.post(path, json={"tokens": 5})).status_code == 409
    assert (await api.post(path, json={})).status_code == 422


async def test_an_attempt_shows_its_calls_and_agents_their_cost(
    api: httpx.AsyncClient, parts: Parts, caller: Caller
) -> None:
    await caller.call("one")
    await caller.call("two", reply=answer(cost=None))
    failed = caller.wish("three", dollars_most=0.0)
    await caller.calls.begin(failed)
    await caller.calls.end(ModelCallEnd(failed.call, 2.0, error="the provider is away"))
    lapsed = LeaseLapsed("hello", 1, caller.token, 0.0)
    await parts.engine.handle([(caller.run, lapsed)])

    node = (await api.get(f"/runs/{caller.run}/nodes/hello")).json()
    statistics = (await api.get("/statistics")).json()

    models = node["attempts"][0]["models"]
    items = models.pop("items")
    assert models == {
        "calls": 3,
        "replayed": 0,
        "failed": 1,
        "tokens_in": 20,
        "tokens_out": 10,
        "cost_dollars": 0.1,
        "unpriced": 1,
    }
    assert [(item["state"], item["model"], item["answered_by"]) for item in items] == [
        ("done", "default", "small-1"),
        ("done", "default", "small-1"),
        ("failed", "default", None),
    ]
    assert (items[2]["error"], items[0]["seconds"]) == ("the provider is away", 0.5)
    (agent,) = statistics["agents"]
    assert (agent["name"], agent["cost"]["llm_dollars"]) == ("greeter", 0.1), (
        "its runner died and told nothing"
    )
    assert agent["cost"] == statistics["runs"]["cost"] == statistics["workflows"][0]["cost"]


async def test_what_a_runner_tells_of_an_attempt_is_not_counted_twice(
    api: httpx.AsyncClient, caller: Caller, parts: Parts
) -> None:
    await caller.call("one")
    used = '{"seconds": 60.0, "usage": {"tokens_in": 10, "tokens_out": 5, "cost_dollars": 0.1, "models": []}}'
    await parts.engine._pool.execute(
        "insert into run_event (run_id, seq, at, kind, node, attempt, data)"
        " values ($1, 1000, now(), 'node.succeeded', 'hello', 1, $2)",
        caller.run,
        used,
    )

    (agent,) = (await api.get("/statistics")).json()["agents"]

    cost = agent["cost"]
    assert (agent["attempts"], cost["llm_dollars"], cost["tokens_in"], cost["execution_minutes"]) == (
        1,
        0.1,
        10,
        1.0,
    )
