"""Events from outside through the public API and the bus: a run waits for one, holds no runner, and goes on."""

import time
from typing import Any

import httpx

from penstock.bus import permissions
from penstock.bus.connection import connect
from penstock.contracts.wire import encode
from tests.e2e.conftest import Api, Json, states
from tests.invariants import broken_invariants
from tests.stack import Stack

PUSH = "com.github.push"


def waiting(name: str, *, look_back: str = "0s", **wait: Json) -> Json:
    condition = "${{ event.type == 'com.github.push' && event.data.n == inputs.n }}"
    return {
        "name": name,
        "nodes": {
            "push": {"wait": {"event": {"type": PUSH, "if": condition, "look_back": look_back}, **wait}},
            "after": {"agent": "steady", "with": {"value": "${{ nodes.push.output.event.data.ref }}"}},
        },
        "output": "${{ nodes.after.output.value }}",
    }


def push(n: int, **fields: Json) -> dict[str, Any]:
    data = {"n": n, "ref": f"refs/heads/{n}"}
    return {"specversion": "1.0", "id": str(n), "source": "/github", "type": PUSH, "data": data, **fields}


async def send(api: Api, event: dict[str, Any]) -> httpx.Response:
    headers = {"content-type": "application/cloudevents+json"}
    return await api.client.post("/api/v1/events", content=encode(event), headers=headers)


async def test_a_run_goes_on_with_the_event_that_it_waited_for(api: Api, stack: Stack) -> None:
    n = time.time_ns() % 2**31
    await api.define(waiting("push-over-http"))
    run = await api.start("push-over-http", {"n": n})
    await api.until_node(run, "push", "suspended")

    assert (await send(api, push(n + 1))).json() == {"accepted": 1, "repeated": 0}
    assert (await send(api, push(n))).json() == {"accepted": 1, "repeated": 0}
    ended = await api.ended(run)

    assert (ended["state"], ended["output"]) == ("succeeded", f"refs/heads/{n}")
    assert await broken_invariants(stack.postgres.url()) == {}


async def test_an_event_over_the_bus_that_came_first_counts(api: Api, stack: Stack) -> None:
    n = time.time_ns() % 2**31
    login = stack.nats.login(permissions.PUBLISHER)
    async with connect(url=stack.nats.url, user=login.user, password=login.password, name="github") as bus:
        await bus.client.jetstream().publish(f"penstock.in.default.{PUSH}", encode(push(n)))

    ended = await api.run(waiting("push-over-nats", look_back="1m"), {"n": n})

    assert (ended["state"], ended["output"]) == ("succeeded", f"refs/heads/{n}")


async def test_a_wait_in_vain_ends_as_its_author_said(api: Api) -> None:
    outcomes = {}
    for on_timeout in ("fail", "skip", "continue"):
        document = waiting(f"vain-{on_timeout}", timeout="200ms", on_timeout=on_timeout)
        document["nodes"]["after"] = {"agent": "steady", "needs": ["push"], "with": {"value": 1}}
        outcomes[on_timeout] = states(await api.run(document, {"n": -1}))

    assert outcomes == {
        "fail": {"push": "failed", "after": "cancelled"},
        "skip": {"push": "skipped", "after": "skipped"},
        "continue": {"push": "succeeded", "after": "succeeded"},
    }
