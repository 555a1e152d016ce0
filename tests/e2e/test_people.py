"""Runs that wait for people and moments, through the public API and real agents. None of it holds a runner."""

from tests.e2e.conftest import Api, Json, node_of, states

SIGN = {
    "name": "people-sign",
    "nodes": {
        "prepare": {"agent": "steady", "with": {"value": "${{ inputs.value }}"}},
        "ask": {
            "needs": ["prepare"],
            "approval": {
                "message": "Ship ${{ nodes.prepare.output.value }}?",
                "assignees": ["ada", "bob"],
                "no_self_approval": True,
                "form": {
                    "type": "object",
                    "required": ["window"],
                    "properties": {"window": {"type": "string"}},
                },
            },
        },
        "ship": {"agent": "steady", "with": {"value": "${{ nodes.ask.output.fields.window }}"}},
    },
    "output": {"window": "${{ nodes.ship.output.value }}", "by": "${{ nodes.ask.output.by }}"},
}
FRAGILE = {
    "name": "people-fragile",
    "on_failure": "pause",
    "nodes": {
        "first": {"agent": "steady", "with": {"value": 1}},
        "shaky": {"needs": ["first"], "agent": "villain", "with": {"deed": "raise"}, "retry": "none"},
        "last": {"needs": ["shaky"], "run_if": "all_done", "agent": "steady", "with": {"value": 2}},
    },
}


async def asked(api: Api, *, by: str) -> str:
    """A run that waits for an answer."""
    await api.define(SIGN)
    run = await api.start("people-sign", {"value": 7}, by=by)
    await api.until_node(run, "ask", "suspended")
    return run


async def say(api: Api, path: str, **body: Json) -> tuple[int, Json]:
    answer = await api.client.post(f"/api/v1/runs/{path}", json=body)
    return answer.status_code, answer.json()


async def test_an_approved_node_hands_its_answer_on(api: Api) -> None:
    run = await asked(api, by="eve")

    explained = await api.get(f"/runs/{run}/explain")
    status, _ = await say(api, f"{run}/nodes/ask/approve", by="bob", fields={"window": "night"})
    ended = await api.ended(run)

    assert explained["nodes"][0]["sentence"] == "asks ada or bob: Ship 7?"
    assert status == 202
    assert (ended["state"], ended["output"]) == ("succeeded", {"window": "night", "by": "bob"})


async def test_a_rejected_node_fails_the_run(api: Api) -> None:
    run = await asked(api, by="eve")

    await say(api, f"{run}/nodes/ask/reject", by="ada", comment="not on a Friday")
    ended = await api.ended(run)

    assert ended["state"] == "failed"
    assert states(ended) == {"prepare": "succeeded", "ask": "failed", "ship": "cancelled"}
    assert "ada rejected it: not on a Friday" in ended["failure"]["message"]


async def test_only_those_who_were_asked_may_answer_and_not_who_started_it(api: Api) -> None:
    run = await asked(api, by="ada")
    fields = {"window": "night"}

    refusals = [
        await say(api, f"{run}/nodes/ask/approve", by="mallory", fields=fields),
        await say(api, f"{run}/nodes/ask/approve", by="ada", fields=fields),
        await say(api, f"{run}/nodes/ask/approve", by="bob", fields={"window": 7}),
    ]

    assert [status for status, _ in refusals] == [409, 409, 422]
    assert "it was asked of ada, bob" in refusals[0][1]["detail"]
    assert "'ada' started the run" in refusals[1][1]["detail"]
    assert refusals[2][1]["errors"][0]["path"] == "fields.window"
    assert (await api.get(f"/runs/{run}/nodes/ask"))["state"] == "suspended"
    await say(api, f"{run}/cancel")


async def test_a_paused_run_begins_nothing_until_it_is_resumed(api: Api) -> None:
    nodes = {
        "nap": {"agent": "sleeper", "with": {"seconds": 0.5}},
        "after": {"agent": "steady", "needs": ["nap"]},
    }
    await api.define({"name": "people-pause", "nodes": nodes})
    run = await api.start("people-pause")
    await api.until_node(run, "nap", "running")

    status, paused = await say(api, f"{run}/pause", by="ada", reason="lunch")
    await api.until_node(run, "nap", "succeeded")
    explained = await api.get(f"/runs/{run}/explain")
    held = states(await api.get(f"/runs/{run}"))
    await say(api, f"{run}/resume", by="ada")
    ended = await api.ended(run)

    assert (status, paused["pause"]) == (202, {"cause": "person", "by": "ada", "reason": "lunch"})
    assert held["after"] in ("waiting", "ready")
    assert explained["sentence"].startswith("paused by ada (lunch)")
    assert ended["state"] == "succeeded"


async def test_a_run_that_paused_after_a_failure_is_retried_and_then_goes_on_without(api: Api) -> None:
    await api.define(FRAGILE)
    run = await api.start("people-fragile")
    await api.until_run(run, "paused")

    first = await api.get(f"/runs/{run}/explain")
    await say(api, f"{run}/retry", by="ada")
    await api.until_run(run, "paused")
    await say(api, f"{run}/resume", by="ada")
    ended = await api.ended(run)

    assert first["reason"]["choices"] == ["retry", "resume", "cancel"]
    assert node_of(ended, "shaky")["attempt"] == 2
    assert states(ended) == {"first": "succeeded", "shaky": "failed", "last": "succeeded"}
    assert ended["state"] == "failed"


async def test_a_wait_lasts_as_long_as_it_says(api: Api) -> None:
    waiting = {"name": "people-wait", "nodes": {"rest": {"wait": {"duration": "1s"}}}}

    run = await api.run(waiting)
    events = (await api.get(f"/runs/{run['id']}/events"))["items"]

    assert run["state"] == "succeeded"
    assert (node_of(run, "rest")["kind"], node_of(run, "rest")["agent"]) == ("wait", None)
    assert "node.suspended" in [event["kind"] for event in events]


async def test_what_cannot_be_undone_waits_for_a_person_who_skips_it(api: Api) -> None:
    bad = {"agent": "villain", "with": {"deed": "raise"}, "retry": "none"}
    good = {"agent": "steady", "with": {"value": 0}}
    await api.define(
        {
            "name": "people-undo",
            "nodes": {
                "charge": {"agent": "steady", "with": {"value": 1}, "compensate": bad},
                "ship": {"agent": "steady", "with": {"value": 2}, "needs": ["charge"], "compensate": good},
            },
        }
    )
    run = await api.start("people-undo")
    await api.ended(run)

    asked = [await say(api, f"{run}/compensate", by="ada", reason="withdrawn") for _ in range(2)]
    parked = await api.until_run(run, "paused")
    explained = await api.get(f"/runs/{run}/explain")
    resumed = await say(api, f"{run}/resume")
    wrong = await say(api, f"{run}/skip", node="ship")
    await say(api, f"{run}/skip", by="ada", node="charge")
    ended = await api.ended(run)
    undoing = await api.get(f"/runs/{run}/nodes/charge%3Aundo")

    assert [status for status, _ in asked] == [202, 202]
    assert parked["pause"]["cause"] == "compensation"
    assert explained["reason"]["choices"] == ["retry", "skip"]
    assert [node["node"] for node in explained["nodes"]] == ["charge"]
    assert (resumed[0], wrong[0]) == (409, 409)
    assert "those are charge" in wrong[1]["detail"]
    assert (ended["state"], ended["undo"]) == ("compensated", {"by": "ada", "reason": "withdrawn"})
    assert states(ended) == {"charge": "compensation_failed", "ship": "compensated"}
    assert node_of(ended, "charge")["compensation"]["skipped_by"] == "ada"
    assert (undoing["state"], undoing["agent"]) == ("failed", "villain")
