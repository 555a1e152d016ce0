"""Workflows inside workflows: what goes in and comes out, and what passes up and down."""

import asyncio

from tests.e2e.conftest import Api, Json, actor, node_of
from tests.invariants import broken_invariants
from tests.stack import Stack

CHILD = {
    "name": "double",
    "inputs": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
    "nodes": {"work": actor(value="${{ inputs.n * 2 }}")},
    "output": {"twice": "${{ nodes.work.output.value }}"},
}


def parent(name: str, child: str, *, given: Json = None, **fields: Json) -> Json:
    sub = {"workflow": child, "with": given or {}}
    return {"name": name, "nodes": {"sub": sub, **fields.pop("nodes", {})}, **fields}


async def child_of(api: Api, run: str) -> Json:
    """The run of its sub-workflow, once there is one."""
    async with asyncio.timeout(20):
        while not (children := (await api.get(f"/runs/{run}"))["children"]):
            await asyncio.sleep(0.02)
    return await api.get(f"/runs/{children[0]['run']}")


async def test_input_goes_in_output_comes_out_and_both_timelines_name_the_other(api: Api) -> None:
    await api.define(CHILD)

    run = await api.run(
        parent("caller", "double", given={"n": "${{ inputs.n }}"}, output="${{ nodes.sub.output.twice }}"),
        {"n": 21},
    )

    child = await child_of(api, run["id"])
    (link,) = [e["data"] for e in await api.events(run["id"]) if e["kind"] == "node.child_started"]
    began = (await api.events(child["id"]))[0]["data"]
    assert (run["output"], child["state"]) == (42, "succeeded")
    assert link == {"run": child["id"]}
    assert (began["parent_run"], began["parent_node"]) == (run["id"], "sub")
    assert child["parent"] == {"run": run["id"], "node": "sub"}


async def test_the_failure_of_the_child_passes_up_with_its_message(api: Api) -> None:
    await api.define({"name": "doomed", "nodes": {"work": actor(value="it", failures=9)}})

    run = await api.run(parent("calls-doomed", "doomed"))

    child = await child_of(api, run["id"])
    said = node_of(run, "sub")["failure"]["message"]
    assert said == f"run {child['id']} failed: node 'work' failed: 'it' can't be done in attempt 1"


async def test_an_input_that_does_not_fit_the_child_fails_the_node(api: Api) -> None:
    await api.define(CHILD)

    run = await api.run(parent("calls-wrongly", "double", given={"n": "many"}))

    said = node_of(run, "sub")["failure"]["message"]
    assert "the input does not fit workflow 'double'" in said


async def test_cancel_passes_down(api: Api) -> None:
    await api.define({"name": "sleepy", "nodes": {"nap": {"agent": "sleeper", "with": {"seconds": 60}}}})
    await api.define(parent("calls-sleepy", "sleepy"))
    run = await api.start("calls-sleepy")
    child = await child_of(api, run)
    await api.until_node(child["id"], "nap", "running")

    await api.post(f"/runs/{run}/cancel", reason="enough")

    assert (await api.ended(run))["state"] == "cancelled"
    ended = await api.ended(child["id"])
    assert (ended["state"], node_of(ended, "nap")["state"]) == ("cancelled", "cancelled")


async def test_undoing_passes_down(api: Api) -> None:
    undo = {"agent": "actor", "with": {"value": "${{ output.value }}", "story": "${{ inputs.story }}"}}
    await api.define(
        {
            "name": "book",
            "nodes": {
                "a": actor(value="a", compensate=undo),
                "b": actor(value="b", needs=["a"], compensate=undo),
            },
        }
    )
    last = {"fails": actor(value="last", failures=9, needs=["sub"])}
    given = {"story": "${{ run.id }}"}

    run = await api.run(parent("calls-book", "book", given=given, nodes=last, on_failure="compensate"))

    child = await child_of(api, run["id"])
    assert (run["state"], child["state"]) == ("compensated", "compensated")
    assert node_of(run, "sub")["state"] == "compensated"
    undone = await api.get(f"/runs/{child['id']}/nodes/a:undo")
    assert undone["output"]["asked"] == ["b", "a"]


async def test_the_version_is_that_of_the_start_though_a_newer_one_is_saved_meanwhile(api: Api) -> None:
    await api.define(
        {"name": "moving", "nodes": {"work": actor(value="old")}, "output": "${{ nodes.work.output.value }}"}
    )
    caller = parent(
        "calls-moving", "moving", nodes={"first": actor(seconds=0.4)}, output="${{ nodes.sub.output }}"
    )
    caller["nodes"]["sub"]["needs"] = ["first"]
    await api.define(caller)
    run = await api.start("calls-moving")

    await api.define(
        {"name": "moving", "nodes": {"work": actor(value="new")}, "output": "${{ nodes.work.output.value }}"}
    )

    assert (await child_of(api, run))["version"] == 1
    assert (await api.ended(run))["output"] == "old"


async def test_recursion_is_refused_when_it_is_saved(api: Api) -> None:
    await api.define(parent("chicken", "egg"))

    said = await api.refused("/workflows", 422, **parent("egg", "chicken"))

    assert "a workflow can't run itself: egg → chicken → egg" in said


async def test_nesting_ends_at_eight_levels(api: Api) -> None:
    """Saved from the outside in, so that no definition saw how deep it would become."""
    for level in range(9):
        await api.define(parent(f"level-{level}", f"level-{level + 1}"))
    await api.define({"name": "level-9", "nodes": {"work": actor()}})

    run = await api.ended(await api.start("level-0"))

    assert run["state"] == "failed"
    assert "sub-workflows are nested 9 deep, the limit is 8" in run["failure"]["message"]
    said = await api.refused("/workflows", 422, **parent("above", "level-0"))
    assert "more than 8 levels" in said


async def test_a_sub_workflow_that_is_not_there_fails_its_node(api: Api) -> None:
    run = await api.run(parent("calls-nobody", "nobody"))

    said = node_of(run, "sub")["failure"]["message"]
    assert said == "workflow 'nobody': it did not exist, or was inactive, when this run was started"


async def test_the_books_balance_after_all_of_this(stack: Stack) -> None:
    assert await broken_invariants(stack.postgres.url()) == {}
