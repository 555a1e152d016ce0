"""Undoing through the public API: in reverse order, once each, parked when it can't go on, also over a kill."""

import asyncio

from tests.e2e.conftest import Api, Json, actor, node_of, states
from tests.stack import Stack


def undo(**given: Json) -> Json:
    """The agent remembers in which order it was asked, for each run by itself."""
    told = {"value": "undo ${{ output.value }}", "story": "${{ run.id }}", **given}
    return {"agent": "actor", "with": told, "retry": "none"}


def trip(name: str, *, last: Json = None, fields: Json = None, **undoings: Json) -> Json:
    """`flight` and `hotel` side by side, then `car`, then perhaps one more; each but that one can be undone."""
    nodes = {
        "flight": actor(value="flight", compensate=undo(**undoings.get("flight", {}))),
        "hotel": actor(value="hotel", needs=["flight"], compensate=undo(**undoings.get("hotel", {}))),
        "car": actor(value="car", needs=["hotel"], compensate=undo(**undoings.get("car", {}))),
    }
    if last is not None:
        nodes["last"] = {**last, "needs": ["car"]}
    return {"name": name, "nodes": nodes, **(fields or {})}


async def order_of(api: Api, run: str, kind: str) -> list[str]:
    return [event["node"] for event in await api.events(run) if event["kind"] == kind]


async def record_of(api: Api, run: str, last_step: str) -> list[str]:
    """In which order the agent was asked to undo, as it remembers itself."""
    return list((await api.get(f"/runs/{run}/nodes/{last_step}:undo"))["output"]["asked"])


async def test_a_failure_undoes_what_succeeded_the_last_first(api: Api) -> None:
    failing = actor(value="last", failures=9)

    run = await api.run(trip("trip", last=failing, fields={"on_failure": "compensate"}))

    assert run["state"] == "compensated"
    assert await order_of(api, run["id"], "node.compensated") == ["car", "hotel", "flight"]
    assert await record_of(api, run["id"], "flight") == ["undo car", "undo hotel", "undo flight"]
    assert states(run) == {
        "flight": "compensated",
        "hotel": "compensated",
        "car": "compensated",
        "last": "failed",
    }
    assert "'last' can't be done" in run["failure"]["message"]


async def test_a_run_that_succeeded_is_undone_by_request_once(api: Api) -> None:
    run = (await api.run(trip("regretted")))["id"]

    asked = [await api.post(f"/runs/{run}/compensate", by="ada", reason="regret") for _ in range(2)]
    undone = await api.until_state(run, "compensated")

    assert [view["state"] for view in asked] <= ["compensating", "compensating"]
    assert await record_of(api, run, "flight") == ["undo car", "undo hotel", "undo flight"]
    assert (undone["undo"]["by"], undone["undo"]["reason"]) == ("ada", "regret")
    again = await api.post(f"/runs/{run}/compensate", by="ada")
    assert again["state"] == "compensated"


async def test_what_keeps_failing_parks_the_run_until_a_retry_helps(api: Api) -> None:
    """The step fails its first attempt; a person mends the world, and its second one succeeds."""
    run = (await api.run(trip("mendable", hotel={"failures": 1})))["id"]

    await api.post(f"/runs/{run}/compensate")
    parked = await api.until_state(run, "paused")
    await api.post(f"/runs/{run}/retry", by="ada")
    undone = await api.until_state(run, "compensated")

    assert states(parked) == {"flight": "compensated", "hotel": "compensation_failed", "car": "compensated"}
    assert parked["pause"] == {
        "cause": "compensation",
        "by": "penstock",
        "reason": "could not undo hotel: retry or skip",
    }
    assert "undo hotel" in node_of(parked, "hotel")["compensation"]["failure"]["message"]
    assert states(undone)["hotel"] == "compensated"
    assert await order_of(api, run, "node.compensated") == ["car", "flight", "hotel"]


async def test_a_person_may_skip_what_cannot_be_undone(api: Api) -> None:
    policy = {"compensation_policy": "halt_on_error"}
    run = (await api.run(trip("hopeless", fields=policy, hotel={"failures": 9})))["id"]

    await api.post(f"/runs/{run}/compensate")
    parked = await api.until_state(run, "paused")
    await api.post(f"/runs/{run}/skip", by="ada", node="hotel")
    undone = await api.until_state(run, "compensated")

    assert states(parked) == {"flight": "succeeded", "hotel": "compensation_failed", "car": "compensated"}
    assert states(undone) == {"flight": "compensated", "hotel": "compensation_failed", "car": "compensated"}
    (skipped,) = [e for e in await api.events(run) if e["kind"] == "node.compensation_skipped"]
    assert (skipped["node"], skipped["data"]) == ("hotel", {"by": "ada"})


async def test_undoing_goes_on_after_a_kill_and_undoes_nothing_twice(api: Api, stack: Stack) -> None:
    slowly = {step: {"seconds": 0.25} for step in ("flight", "hotel", "car")}
    run = (await api.run(trip("survivor-trip", **slowly)))["id"]
    await api.post(f"/runs/{run}/compensate")
    await api.until_node(run, "hotel", "compensating")

    stack.kill("orchestrator-0")
    await asyncio.to_thread(stack.start, "orchestrator-0")
    await api.until_state(run, "compensated")

    assert await order_of(api, run, "node.compensated") == ["car", "hotel", "flight"]
    assert await record_of(api, run, "flight") == ["undo car", "undo hotel", "undo flight"]
