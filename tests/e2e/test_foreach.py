"""`foreach` through the public API: order, window, tolerated failures, and a list of 2,000."""

import pytest

from tests.e2e.conftest import Api, Json, actor, node_of

OPEN = {"node.ready": 1, "node.succeeded": -1, "node.failed": -1}


def each(name: str, items: Json, *, node: Json, **fields: Json) -> Json:
    return {
        "name": name,
        "nodes": {"each": {**node, "foreach": items, **fields}},
        "output": "${{ nodes.each.output }}",
    }


async def test_the_output_is_the_list_in_the_order_of_its_items(api: Api) -> None:
    node = {"agent": "steady", "with": {"item": "${{ item }}", "index": "${{ index }}"}}

    listed = await api.run(each("each-of-list", ["a", "${{ inputs.b }}"], node=node), {"b": 7})
    computed = await api.run(
        each("each-of-expression", "${{ inputs.all.filter(x, x > 1) }}", node=node), {"all": [1, 2, 3]}
    )

    assert listed["output"] == [{"item": "a", "index": 0}, {"item": 7, "index": 1}]
    assert computed["output"] == [{"item": 2, "index": 0}, {"item": 3, "index": 1}]


async def test_no_more_items_are_open_than_may_run_at_once(api: Api) -> None:
    node = actor(value="${{ item }}", seconds=0.04)
    await api.define(each("window", "${{ inputs.all }}", node=node, max_parallel=3))
    run = await api.start("window", {"all": list(range(12))})

    seen, seq = [], 0
    while (view := await api.get(f"/runs/{run}", wait=20, after=seq))["ended_at"] is None:
        seq = view["seq"]
        seen.append(node_of(view, "each")["items"])
    ended = node_of(await api.get(f"/runs/{run}"), "each")["items"]

    assert max(items["open"] for items in seen) == 3
    assert all(items["total"] == 12 for items in seen)
    assert (ended["succeeded"], ended["open"], ended["waiting"]) == (12, 0, 0)
    now, most = 0, 0
    for event in await api.events(run):
        if event["node"] not in (None, "each"):
            now += OPEN.get(event["kind"], 0)
            most = max(most, now)
    assert (now, most) == (0, 3)


@pytest.mark.parametrize(("tolerated", "is_enough"), [(2, True), (1, False), ("50%", True), (0.4, False)])
async def test_some_items_may_fail(api: Api, tolerated: Json, is_enough: bool) -> None:
    node = actor(value="${{ item }}", failures="${{ item % 2 == 0 ? 0 : 9 }}")
    definition = each("tolerant", [0, 1, 2, 3], node=node, tolerate_failures=tolerated)

    run = await api.run(definition)

    each_node = node_of(run, "each")
    if is_enough:
        assert [item and item["value"] for item in run["output"]] == [0, None, 2, None]
        assert (each_node["items"]["failed"], each_node["items"]["succeeded"]) == (2, 2)
    else:
        assert run["state"] == "failed"
        assert "items failed; the first, each[1]: " in each_node["failure"]["message"]
        assert "'1' can't be done" in run["failure"]["message"]


async def test_an_item_that_failed_is_shown_with_its_failure(api: Api) -> None:
    node = actor(value="${{ item }}", failures="${{ item == 'bad' ? 9 : 0 }}")
    run = await api.run(each("one-bad", ["good", "bad"], node=node, tolerate_failures=1))

    page = await api.get(f"/runs/{run['id']}/nodes/each/items", state="failed")
    detail = await api.get(f"/runs/{run['id']}/nodes/each[1]")

    assert [(item["index"], item["state"]) for item in page["items"]] == [(1, "failed")]
    assert "'bad' can't be done" in page["items"][0]["failure"]["message"]
    assert (detail["input"]["value"], detail["attempts"][0]["outcome"]) == ("bad", "failed")


async def test_2000_items_end_with_their_list_in_order(api: Api) -> None:
    node = {"agent": "steady", "with": {"value": "${{ item }}"}}
    definition = each("many", "${{ inputs.values }}", node=node, max_parallel=64)
    values = list(range(2_000))

    run = await api.run(definition, {"values": values})

    assert run["output"] is None or [item["value"] for item in run["output"]] == values
    view = node_of(run, "each")
    assert view["items"]["succeeded"] == view["items"]["total"] == 2_000
    assert len(run["nodes"]) == 1  # counts, not boxes
    output = (await api.get(f"/runs/{run['id']}/nodes/each"))["output"]
    assert [item["value"] for item in output] == values
