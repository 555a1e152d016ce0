"""Approval, checkpoint, sandbox and budget on one agent that calls a model: nothing is paid for or asked twice."""

import pytest

from tests.e2e.conftest import Api, Json
from tests.model_answers import Call
from tests.model_server import ModelRequest, ModelServer

pytestmark = pytest.mark.sandbox

LONG = "word " * 180  # with what the model says before its first call, the second has no room
CLEANS = {
    "name": "cleans",
    "budget": {"run": {"tokens": 1100}, "on_limit": "ask"},
    "nodes": {
        "work": {
            "agent": "janitor",
            "with": {"task": f"Clean up. {LONG}", "fails": True},
            "retry": {"attempts": 2, "delay": "1ms", "max_delay": "1ms"},
        }
    },
    "output": {"work": "${{ nodes.work.output }}"},
}
STEPS = [Call("look"), Call("delete", {"path": "old.txt"}), "It is clean."]


def answers(request: ModelRequest) -> object:
    return STEPS[sum(message["role"] == "tool" for message in request.messages)]


async def asked(api: Api, run: str, prefix: str) -> Json:
    """What the node asks, once it asks that."""
    while not (node := await api.until_node(run, "work", "suspended"))["waiting_for"]["key"].startswith(
        prefix
    ):
        pass
    return node["waiting_for"]


async def test_one_agent_with_approval_checkpoint_sandbox_and_budget(
    api: Api, model_server: ModelServer
) -> None:
    model_server.on(answers)
    await api.define(CLEANS)
    run = await api.start("cleans")

    await asked(api, run, "budget/run")
    await api.post(f"/runs/{run}/nodes/work/approve", by="ada", fields={"tokens": 10_000})
    delete = await asked(api, run, "delete-")
    await api.post(f"/runs/{run}/nodes/work/approve", by="ada", comment="it is old")
    ended = await api.ended(run)

    assert delete["details"] == {"tool": "delete", "arguments": {"path": "old.txt"}}
    assert ended["state"] == "succeeded", ended["failure"]
    assert ended["output"]["work"] == {"text": "It is clean.", "began": 4, "network": False}
    assert len(model_server.requests) == 3
    attempts = (await api.get(f"/runs/{run}/nodes/work"))["attempts"]
    assert [each["outcome"] for each in attempts] == ["parked", "parked", "failed", "succeeded"]
    states = [[call["state"] for call in each["models"]["items"]] for each in attempts]
    assert states == [["done"], ["replayed", "done"], ["replayed", "replayed", "done"], ["replayed"] * 3]
    (budget,) = (await api.get("/budgets", run=run))["items"]
    paid = [call for each in attempts for call in each["models"]["items"] if call["state"] == "done"]
    assert budget["tokens"]["spent"] == sum(call["tokens_in"] + call["tokens_out"] for call in paid)
