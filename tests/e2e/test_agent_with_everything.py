"""One agent in a real sandbox calls a model, saves a checkpoint, asks before a tool is called and meets its budget; its
runner is killed while a person thinks about it. Nothing is paid, asked or done twice."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.agents import write_agent
from tests.e2e.conftest import Api, Json
from tests.invariants import broken_invariants
from tests.model_answers import Call
from tests.model_server import ModelRequest, ModelServer
from tests.stack import Stack

pytestmark = pytest.mark.sandbox

OPERATOR = """
from penstock.agents import agent, context, llm

LOG = "step {} of the deployment went well; " * 200


@agent
def operator(service: str) -> dict:
    notes = context.checkpoint.load() or {"began": context.attempt}
    context.checkpoint.save(notes)

    def deploy(service: str) -> str:
        "Deploys a service."
        if "deployed" not in notes:
            notes["deployed"] = context.attempt
            context.checkpoint.save(notes)
        return LOG

    tools = [llm.tool(deploy, approval=True)]
    asked = [{"role": "user", "content": f"Please deploy {service}."}]
    talk = llm.converse(asked, tools=tools, max_tokens=100, assignees=("ada",))
    return {"said": talk.text, "notes": notes, "attempt": context.attempt}


if __name__ == "__main__":
    operator.main()
"""
TOKENS = (
    1_000  # there is room for the first call, and none for the second, which carries the tool's long answer
)
WORKFLOW = {
    "name": "everything",
    "budget": {"run": {"tokens": TOKENS}, "on_limit": "ask"},
    "nodes": {"work": {"agent": "operator", "with": {"service": "shop"}, "retry": "none"}},
    "output": "${{ nodes.work.output }}",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, model_server_running: ModelServer) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("everything")
    write_agent(folder / "agents", "operator", OPERATOR, models=["default"])
    models = {"PENSTOCK_RUNNER_MODELS_FILE": str(model_server_running.write_models(folder))}
    own = {"runner-0": models, "runner-1": models}
    extra = {"PENSTOCK_ORCHESTRATOR_LEASE_S": "3"}
    with Stack(folder=folder, agents=(folder / "agents",), own=own, extra=extra) as running:
        yield running


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=90) as client:
        yield Api(client)


def deploys_and_sums_up(request: ModelRequest) -> Any:
    if request.messages[-1]["role"] == "tool":
        return "The shop is deployed."
    return Call("deploy", {"service": "shop"})


async def asked(api: Api, run: str, *, after: str = "") -> Json:
    """What the agent asks next, after the question `after` was answered."""
    while True:
        waiting = (await api.until_node(run, "work", "suspended"))["waiting_for"]
        if waiting["key"] != after:
            return waiting


async def test_approval_checkpoint_sandbox_and_budget_work_together_on_one_agent(
    api: Api, stack: Stack, model_server: ModelServer
) -> None:
    model_server.on(deploys_and_sums_up)
    await api.define(WORKFLOW)
    run = await api.start("everything")

    tool = await asked(api, run)
    stack.kill("runner-0")
    stack.start("runner-1")
    await api.post(f"/runs/{run}/nodes/work/approve", by="ada", question=tool["key"])
    more = await asked(api, run, after=tool["key"])
    await api.post(f"/runs/{run}/nodes/work/approve", by="bob", question=more["key"], fields={"tokens": 5000})
    ended = await api.ended(run)

    assert (tool["details"], tool["assignees"]) == (
        {"tool": "deploy", "arguments": {"service": "shop"}},
        ["ada"],
    )
    assert more["key"].startswith("budget/")
    notes = {"began": 1, "deployed": 2}  # the tool was called once, by the attempt that found the approval
    assert ended["output"] == {"said": "The shop is deployed.", "notes": notes, "attempt": 3}
    await each_call_is_made_and_charged_once(api, run, model_server)
    await two_runners_had_it_in_a_sandbox(api, run)
    assert await broken_invariants(stack.postgres.url()) == {}


async def each_call_is_made_and_charged_once(api: Api, run: str, model_server: ModelServer) -> None:
    assert [request.messages[-1]["role"] for request in model_server.requests] == ["user", "tool"]
    events = await api.events(run)
    used = [event["data"]["usage"] for event in events if "usage" in event["data"]]
    charged = sum(each["tokens_in"] + each["tokens_out"] for each in used)
    told = [(event["kind"], event["data"]) for event in events if event["kind"].startswith("run.budget")]
    assert [kind for kind, _ in told] == ["run.budget_exceeded", "run.budget_raised"]
    assert (told[1][1]["tokens"], told[1][1]["by"]) == (5000, "bob")
    (account,) = (await api.get("/budgets", run=run))["items"]
    assert account["tokens"] == {
        "limit": TOKENS + 5000,
        "raised": 5000,
        "spent": charged,
        "reserved": 0,
        "left": TOKENS + 5000 - charged,
    }


async def two_runners_had_it_in_a_sandbox(api: Api, run: str) -> None:
    attempts = (await api.get(f"/runs/{run}/nodes/work"))["attempts"]
    assert [each["outcome"] for each in attempts] == ["parked", "parked", "succeeded"]
    assert {each["tier"] for each in attempts} == {"bwrap"}
    first, *others = [each["runner"] for each in attempts]
    assert first not in others
