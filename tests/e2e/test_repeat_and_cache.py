"""`repeat` until a condition holds, and `cache`: outputs that were computed before."""

import asyncpg

from tests.e2e.conftest import Api, Json, actor, node_of
from tests.stack import Stack


def counting(name: str, **repeat: Json) -> Json:
    step = actor(value="${{ iteration == 1 ? 1 : previous.value * 2 }}", repeat=repeat)
    return {"name": name, "nodes": {"step": step}, "output": "${{ nodes.step.output.value }}"}


async def test_a_node_is_repeated_until_its_condition_holds(api: Api) -> None:
    run = await api.run(counting("doubling", until="${{ output.value >= 8 }}", max=10))

    kinds = [event["kind"] for event in await api.events(run["id"])]
    assert run["output"] == 8
    assert node_of(run, "step")["iteration"] == 4
    assert kinds.count("node.repeated") == 3


async def test_a_condition_that_never_holds_fails_the_node_or_not_as_its_author_says(api: Api) -> None:
    failed = await api.run(counting("too-short", until="${{ output.value > 100 }}", max=3))
    content = await api.run(counting("content", until="${{ output.value > 100 }}", max=3, on_max="succeed"))

    assert failed["failure"]["type"] == "RepeatExhausted"
    assert "after 3 iterations: output.value > 100" in failed["failure"]["message"]
    assert (content["state"], content["output"]) == ("succeeded", 4)


CACHED = {
    "name": "costly",
    "nodes": {
        "think": actor(
            value="${{ inputs.value }}",
            story="${{ run.id }}",
            cache={"key": "${{ inputs.value }}", "ttl": "1h"},
        )
    },
    "output": "${{ nodes.think.output.asked }}",
}


async def test_an_output_that_was_computed_before_is_taken_until_its_time_is_over(
    api: Api, stack: Stack
) -> None:
    first = await api.run(CACHED, {"value": "x"})
    second = await api.run(CACHED, {"value": "x"})
    await execute(stack, "update cached_output set expires_at = now()")
    third = await api.run(CACHED, {"value": "x"})

    assert [node_of(run, "think")["cached"] for run in (first, second, third)] == [
        None,
        {"run": first["id"]},
        None,
    ]
    assert [node_of(run, "think")["attempt"] for run in (first, second, third)] == [1, 0, 1]
    assert second["output"] == first["output"] == ["x"]
    assert (await api.get(f"/runs/{second['id']}/nodes/think"))["attempts"] == []
    (done,) = [e for e in await api.events(second["id"]) if e["kind"] == "node.succeeded"]
    assert done["data"] == {"cached": True, "from_run": first["id"]}


async def test_another_node_with_the_same_key_has_its_own_output(api: Api) -> None:
    await api.run({**CACHED, "name": "costly-too"}, {"value": "y"})

    other = await api.run({**CACHED, "name": "costly-as-well"}, {"value": "y"})

    assert node_of(other, "think")["cached"] is None


async def execute(stack: Stack, statement: str) -> None:
    connection = await asyncpg.connect(stack.postgres.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
