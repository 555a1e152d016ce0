"""Budgets with agents that really call: what was paid for is not paid for again, whatever happens at the limit."""

from typing import Any

import pytest

from tests.e2e.conftest import Api, Json
from tests.model_server import ModelRequest, ModelServer

pytestmark = pytest.mark.sandbox

LONG = "word " * 400  # so much the first answer takes; the second call has no room beside it


def talks(name: str, on_limit: str) -> dict[str, Any]:
    """A call may take 2,000 tokens and its prompt."""
    work = {"agent": "talker", "with": {"prompts": ["one", "two"]}}
    budget = {"run": {"tokens": 2300}, "on_limit": on_limit}
    return {
        "name": name,
        "budget": budget,
        "nodes": {"work": work},
        "output": {"said": "${{ nodes.work.output }}"},
    }


def answers(request: ModelRequest) -> str:
    return LONG if request.text == "one" else "short"


async def begun(api: Api, model_server: ModelServer, on_limit: str) -> str:
    model_server.on(answers)
    document = talks(f"talks-{on_limit}", on_limit)
    await api.define(document)
    return await api.start(document["name"])


async def assert_paid_once(api: Api, model_server: ModelServer, run: str) -> Json:
    """Both answers are there, each was given once by the server, and the account is the sum of them."""
    ended = await api.ended(run)
    assert ended["state"] == "succeeded", ended["failure"]
    assert ended["output"]["said"][1] == "short"
    assert [request.text for request in model_server.requests] == ["one", "two"]
    (budget,) = (await api.get("/budgets", run=run))["items"]
    attempts = (await api.get(f"/runs/{run}/nodes/work"))["attempts"]
    calls = [call for attempt in attempts for call in attempt["models"]["items"]]
    assert [call["state"] for call in calls] == ["done", "replayed", "done"]
    spent = sum(call["tokens_in"] + call["tokens_out"] for call in calls)
    assert (budget["tokens"]["spent"], budget["tokens"]["reserved"]) == (spent, 0)
    assert budget["dollars"]["spent"] == pytest.approx(sum(call["cost_dollars"] or 0 for call in calls))
    return budget


async def test_a_person_raises_the_budget_and_the_agent_goes_on_at_the_same_call(
    api: Api, model_server: ModelServer
) -> None:
    run = await begun(api, model_server, "ask")
    node = await api.until_node(run, "work", "suspended")

    assert node["waiting_for"]["key"] == "budget/run"
    assert "is 2300 tokens" in node["waiting_for"]["message"]
    await api.post(f"/runs/{run}/nodes/work/approve", by="ada", fields={"tokens": 1000})

    budget = await assert_paid_once(api, model_server, run)
    assert (budget["tokens"]["limit"], budget["tokens"]["raised"]) == (3300, 1000)


async def test_a_paused_run_goes_on_after_a_raise(api: Api, model_server: ModelServer) -> None:
    run = await begun(api, model_server, "pause")
    await api.until_state(run, "paused")

    await api.post(f"/runs/{run}/budget", tokens=1000, by="ada")
    await api.post(f"/runs/{run}/resume", by="ada")

    await assert_paid_once(api, model_server, run)


async def test_a_refused_call_fails_its_attempt_with_the_budget_that_is_spent(
    api: Api, model_server: ModelServer
) -> None:
    run = await begun(api, model_server, "fail")

    ended = await api.ended(run)

    assert ended["state"] == "failed"
    assert f"the budget of run {run} is 2300 tokens" in ended["failure"]["message"]
    assert ended["failure"]["error_class"] == "resource"
    assert ended["nodes"][0]["attempt"] == 1, "another attempt would meet the same limit"
    assert len(model_server.requests) == 1
