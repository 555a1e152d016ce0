"""How many runs of a key run at once, and which number a run has within its subject."""

from pathlib import Path

from tests.cli.conftest import Shell
from tests.e2e.conftest import Api, Json, actor, node_of
from tests.stack import Stack


def limited(name: str, on_limit: str, *, seconds: float) -> Json:
    return {
        "name": name,
        "concurrency": {"key": "${{ inputs.repository }}", "limit": 1, "on_limit": on_limit},
        "nodes": {"work": {"agent": "sleeper", "with": {"seconds": seconds}}},
    }


async def test_a_run_waits_for_the_slot_of_its_key_and_other_keys_do_not(api: Api) -> None:
    await api.define(limited("queues", "queue", seconds=0.5))
    first = await api.start("queues", {"repository": "a"})
    second = await api.start("queues", {"repository": "a"})
    other = await api.start("queues", {"repository": "b"})

    assert (await api.get(f"/runs/{second}"))["state"] == "queued"
    assert (await api.get(f"/runs/{other}"))["state"] == "running"
    explained = await api.get(f"/runs/{second}/explain")
    assert first in explained["sentence"] or "queue" in explained["sentence"]

    assert (await api.ended(first))["state"] == (await api.ended(second))["state"] == "succeeded"
    first_end = (await api.get(f"/runs/{first}"))["ended_at"]
    began = node_of(await api.get(f"/runs/{second}"), "work")["started_at"]
    assert began > first_end


async def test_a_run_without_a_slot_may_be_refused(api: Api) -> None:
    await api.define(limited("rejects", "reject", seconds=0.3))
    first = await api.start("rejects", {"repository": "a"})

    said = await api.refused("/runs", 409, workflow="rejects", input={"repository": "a"})

    assert "allows 1 open runs with key 'a'" in said
    assert first in said


async def test_the_oldest_run_may_give_way(api: Api) -> None:
    await api.define(limited("gives-way", "cancel_oldest", seconds=1))
    first = await api.start("gives-way", {"repository": "a"})
    await api.until_node(first, "work", "running")

    second = await api.start("gives-way", {"repository": "a"})

    cancelled = await api.ended(first)
    assert cancelled["state"] == "cancelled"
    (why,) = [e["data"] for e in await api.events(first) if e["kind"] == "run.cancelling"]
    assert "a newer run of 'a' takes its place" in why["reason"]
    assert (await api.ended(second))["state"] == "succeeded"


async def test_runs_are_numbered_within_their_subject(api: Api, stack: Stack, tmp_path: Path) -> None:
    await api.define({"name": "numbered", "nodes": {"work": actor()}})
    runs = [
        await api.start("numbered", labels={"subject": subject}) for subject in ("ada", "ada", "bob", "ada")
    ]

    views = [await api.get(f"/runs/{run}") for run in runs]
    listed = Shell(stack.url, tmp_path)("runs", "ls", "--workflow", "numbered")

    assert [(view["subject"], view["number"]) for view in views] == [
        ("ada", 1),
        ("ada", 2),
        ("bob", 1),
        ("ada", 3),
    ]
    assert "ada #3" in listed.out
