"""A dependency that breaks and comes back, through the public API."""

import asyncio
from uuid import uuid4

import asyncpg

from tests.e2e.conftest import Api, Json
from tests.invariants import broken_invariants
from tests.stack import Stack

WAITING = 6


def calling(dependency: str) -> Json:
    node = {
        "agent": "dependent",
        "with": {"down": "${{ inputs.down }}"},
        "depends_on": [dependency],
        "retry": "none",
    }
    return {"name": f"calling-{dependency}", "nodes": {"call": node}}


async def held(api: Api, run: str) -> Json:
    """Why its node waits for the breaker."""
    await api.until_node(run, "call", "suspended")
    (node,) = (await api.get(f"/runs/{run}/explain"))["nodes"]
    return node


async def cool_down(stack: Stack, key: str) -> None:
    """The cooldown is over, and those who wait ask again."""
    connection = await asyncpg.connect(stack.postgres.url())
    try:
        await connection.execute("update breaker set open_until = now() where key = $1", key)
        await connection.execute(
            "update node set wake_at = now() where state = 'suspended' and detail ->> 'key' = $1", key
        )
    finally:
        await connection.close()


async def test_a_broken_dependency_is_left_alone_and_comes_back_step_by_step(stack: Stack, api: Api) -> None:
    dependency = f"crm-{uuid4().hex[:8]}"
    key = f"dependency/{dependency}"
    workflow = calling(dependency)
    failed = [await api.run(workflow, {"down": True}) for _ in range(5)]
    assert {run["state"] for run in failed} == {"failed"}

    runs = [await api.start(workflow["name"], {"down": False}) for _ in range(WAITING)]
    why = [await held(api, run) for run in runs]
    breaker = await api.get(f"/breakers/{key}")
    await cool_down(stack, key)
    ended = await asyncio.gather(*(api.ended(run) for run in runs))

    assert "is open until" in why[0]["sentence"]
    assert "5 of 5 calls failed" in why[0]["sentence"]
    assert (why[0]["reason"]["code"], why[0]["reason"]["key"]) == ("breaker_open", key)
    assert (breaker["state"], breaker["waiting"]) == ("open", WAITING)
    assert {run["state"] for run in ended} == {"succeeded"}
    for run in runs:
        assert len((await api.get(f"/runs/{run}/nodes/call"))["attempts"]) == 1, "it was run once"
    after = await api.get(f"/breakers/{key}")
    assert [event["to_state"] for event in after["events"]] == ["closed", "half_open", "open"]
    assert await broken_invariants(stack.postgres.url()) == {}
