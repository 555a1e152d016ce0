"""Agents that ask people in the middle of their work, through the public API and real sandboxes."""

import pytest

from tests.e2e.conftest import Api, Json, node_of, states

pytestmark = pytest.mark.sandbox

ASKS = {
    "name": "questions",
    "nodes": {
        "work": {
            "agent": "asker",
            "with": {"what": "${{ inputs.what }}", "assignees": ["ada"]},
            "retry": "none",
        },
        "after": {"agent": "steady", "with": {"value": "${{ nodes.work.output }}"}},
    },
    "output": {"work": "${{ nodes.work.output }}"},
}
EACH = {
    "name": "questions-each",
    "nodes": {
        "work": {"agent": "asker", "foreach": ["x", "y"], "with": {"what": "${{ item }}"}, "retry": "none"},
    },
}


async def asked(api: Api, run: str, key: str, node: str = "work") -> Json:
    """What the node asks, once it asks this."""
    seen = await api.until_node(run, node, "suspended")
    while (seen["waiting_for"] or {}).get("key") != key:
        seen = await api.until_node(run, node, "suspended")
    return seen["waiting_for"]


async def test_an_agent_asks_twice_and_works_in_between_without_holding_a_runner(api: Api) -> None:
    await api.define(ASKS)
    run = await api.start("questions", {"what": "7"}, by="eve")

    first = await asked(api, run, "build")
    explained = await api.get(f"/runs/{run}/explain")
    await api.post(f"/runs/{run}/nodes/work/approve", by="ada", comment="go ahead")
    second = await asked(api, run, "ship")
    late = await api.refused(f"/runs/{run}/nodes/work/reject", 409, by="ada", question="build")
    again = await api.post(f"/runs/{run}/nodes/work/approve", by="ada", question="build")
    unfit = await api.refused(f"/runs/{run}/nodes/work/approve", 422, by="bob", question="ship")
    await api.post(f"/runs/{run}/nodes/work/approve", by="bob", question="ship", fields={"window": "night"})
    ended = await api.ended(run)
    work = await api.get(f"/runs/{run}/nodes/work")

    assert (first["message"], first["details"]) == ("Build 7?", {"tool": "build", "of": "7"})
    assert explained["nodes"][0]["sentence"] == "its agent asks ada: Build 7?"
    assert explained["nodes"][0]["reason"]["key"] == "build"
    assert second["form"]["required"] == ["window"]
    assert "does not ask 'build' now: it asks 'ship'" in late
    assert again["state"] == "running"
    assert "fields.window" in unfit or "'window' is missing" in unfit
    assert ended["output"] == {
        "work": {"done": {"build": 2}, "window": "night", "by": ["ada", "bob"]},
    }
    assert [each["outcome"] for each in work["attempts"]] == ["parked", "parked", "succeeded"]
    told = [event for event in await api.events(run) if event["kind"] == "node.answered"]
    assert [(each["data"]["key"], each["data"]["by"]) for each in told] == [("build", "ada"), ("ship", "bob")]


async def test_a_no_is_for_the_agent_to_act_on(api: Api) -> None:
    await api.define(ASKS)
    run = await api.start("questions", {"what": "it"})
    await asked(api, run, "build")

    stranger = await api.refused(f"/runs/{run}/nodes/work/reject", 409, by="mallory")
    await api.post(f"/runs/{run}/nodes/work/reject", by="ada", comment="not on a Friday")
    ended = await api.ended(run)
    nothing = await api.refused(f"/runs/{run}/nodes/after/approve", 409, by="ada")

    assert "it was asked of ada" in stranger
    assert states(ended) == {"work": "succeeded", "after": "succeeded"}
    assert ended["output"]["work"] == {"done": {}, "refused": "not on a Friday"}
    assert "its agent has asked nothing" in nothing


async def test_each_item_asks_for_itself(api: Api) -> None:
    await api.define(EACH)
    run = await api.start("questions-each")
    for index in (0, 1):
        unit = f"work[{index}]"
        while (await api.client.get(f"/api/v1/runs/{run}/nodes/{unit}")).json().get("state") != "suspended":
            await api.get(f"/runs/{run}", wait=1)
        await api.post(f"/runs/{run}/nodes/{unit}/reject", by="ada", comment=unit)

    ended = await api.ended(run)

    items = node_of(ended, "work")["output"]
    assert [item["refused"] for item in items] == ["work[0]", "work[1]"]


async def test_a_run_is_cancelled_while_its_agent_waits(api: Api) -> None:
    await api.define(ASKS)
    run = await api.start("questions", {"what": "it"})
    await asked(api, run, "build")

    await api.post(f"/runs/{run}/cancel", by="ada")
    ended = await api.ended(run)

    assert ended["state"] == "cancelled"
    assert "only one that is suspended waits for an answer" in await api.refused(
        f"/runs/{run}/nodes/work/approve", 409, by="ada", question="build"
    )
