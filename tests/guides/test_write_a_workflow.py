"""Every step of "write a workflow" does what the guide says of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Api, states
from tests.guides.conftest import save
from tests.guides.files import write_files

pytestmark = pytest.mark.sandbox

ODE = "a thing of beauty is a joy for ever"


async def started(api: Api, tmp_path: Path, step: str, run_input: Any = None) -> str:
    files = write_files("write-a-workflow.md", tmp_path)
    return await api.start(await save(api, files[f"steps/{step}.yaml"]), run_input)


@pytest.mark.parametrize(
    ("step", "run_input", "output"),
    [
        ("one-node", {}, {"text": ODE}),
        ("two-nodes", {"name": "pond"}, {"words": 4}),
        ("many", {}, {"words": 13}),
        ("conditions", {"name": "ode"}, {"praise": "succeeded", "report": "praise was succeeded"}),
        ("conditions", {"name": "pond"}, {"praise": "skipped", "report": "praise was skipped"}),
        ("failing", {}, {"told": "hello"}),
        ("triggers", {}, {"text": ODE}),
    ],
)
async def test_a_step_gives_what_it_should(
    guided: Api, tmp_path: Path, step: str, run_input: dict[str, Any], output: dict[str, Any]
) -> None:
    run = await guided.ended(await started(guided, tmp_path, step, run_input))

    assert (run["state"], run["output"]) == ("succeeded", output)


async def test_what_a_person_refuses_is_undone(guided: Api, tmp_path: Path) -> None:
    run = await started(guided, tmp_path, "people")
    await guided.until_node(run, "sign-off", "suspended")
    await guided.post(f"/runs/{run}/nodes/sign-off/reject", by="ada", comment="not yet")

    ended = await guided.ended(run)

    assert ended["state"] == "compensated"
    assert states(ended) == {"publish": "compensated", "sign-off": "failed", "announce": "cancelled"}


async def test_what_a_person_approves_is_announced(guided: Api, tmp_path: Path) -> None:
    run = await started(guided, tmp_path, "people")
    await guided.until_node(run, "sign-off", "suspended")
    await guided.post(f"/runs/{run}/nodes/sign-off/approve", by="ada")

    assert (await guided.ended(run))["output"] == {"announced": "signed off by ada"}


async def test_an_event_starts_a_run(guided: Api, tmp_path: Path) -> None:
    files = write_files("write-a-workflow.md", tmp_path)
    await save(guided, files["steps/triggers.yaml"])
    before = len((await guided.get("/runs", workflow="triggers"))["items"])
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "org.example.text"}
    sent = await guided.client.post(
        "/api/v1/events",
        json=event | {"data": {"name": "pond"}},
        headers={"content-type": "application/cloudevents+json"},
    )

    assert sent.is_success, sent.text
    assert await texts_of(guided, "triggers", runs=before + 1) >= {"an old silent pond"}


async def texts_of(api: Api, workflow: str, *, runs: int) -> set[str]:
    """The outputs of all its runs, once there are so many."""
    async with asyncio.timeout(30):
        while len(found := (await api.get("/runs", workflow=workflow))["items"]) < runs:
            await asyncio.sleep(0.05)
    return {(await api.ended(run["id"]))["output"]["text"] for run in found}
