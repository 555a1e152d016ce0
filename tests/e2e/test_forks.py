"""A fork through the public API: what is taken over is not run again, and the rest goes on from it."""

from tests.e2e.conftest import Api, Json, actor, node_of


def story(*, times: int) -> Json:
    value = f"${{{{ nodes.gather.output.value * {times} }}}}"
    return {
        "name": "forked",
        "nodes": {
            "gather": actor(value="${{ inputs.n }}", story="forked"),
            "work": actor(value=value, failures="${{ inputs.fails }}", needs=["gather"]),
        },
        "output": "${{ nodes.work.output.value }}",
    }


async def test_a_fork_goes_on_from_the_node_that_failed_with_another_input_and_version(api: Api) -> None:
    source = await api.run(story(times=2), {"n": 7, "fails": 9})
    await api.define(story(times=3))
    asked = {"from": "work", "version": "latest", "input": {"n": 7, "fails": 0}}

    preview = await api.post(f"/runs/{source['id']}/fork", preview=True, **asked)
    fork = await api.ended((await api.post(f"/runs/{source['id']}/fork", **asked))["id"])

    assert (preview["reused"], preview["run_again"]) == (["gather"], ["work"])
    assert [change["path"] for change in preview["changed"]] == ["with.value"]
    assert (source["state"], fork["state"], fork["output"]) == ("failed", "succeeded", 21)
    gather = await api.get(f"/runs/{fork['id']}/nodes/gather")
    assert (gather["output"]["asked"], gather["attempts"]) == ([7], [])  # it was asked once, by the source
    assert (gather["reused_from"], fork["source_run"]) == (source["id"], source["id"])
    kinds = [event["kind"] for event in await api.events(fork["id"])]
    assert kinds[:2] == ["run.started", "node.reused"]
    assert node_of(fork, "work")["attempt"] == 1
