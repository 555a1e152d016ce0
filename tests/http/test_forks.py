"""Forks through the door: what would be taken over, the new run, and every way to ask for what cannot be."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.http.builders import GREET, NOON, Rows, as_json, save, seconds

GREET_TWICE = GREET.replace("agent: polisher", "agent: polisher\n    timeout: 5m")
GREET_NEEDY = GREET.replace("required: [name]", "required: [name, tone]").replace(
    "name: {type: string}\n", "name: {type: string}\n    tone: {type: string}\n"
)


@pytest.fixture
async def source(greet: httpx.AsyncClient, rows: Rows) -> UUID:
    """A run of `greet` that failed at its second node."""
    run = await rows.run(state="failed", labels=as_json({"team": "x"}), priority=7, version=9)
    text = as_json({"text": "Hello Ada"})
    await rows.node(
        run, "hello", "succeeded", output=text, input=as_json({"name": "Ada"}), completed_version=4
    )
    await rows.node(run, "polish", "failed", attempt=3)
    return run


async def fork(api: httpx.AsyncClient, run: object, **body: Any) -> httpx.Response:
    return await api.post(f"/runs/{run}/fork", json=body)


async def test_a_preview_tells_what_is_reused_and_starts_nothing(
    greet: httpx.AsyncClient, source: UUID, rows: Rows
) -> None:
    answer = await fork(greet, source, **{"from": "polish", "preview": True})

    assert answer.status_code == 200
    assert answer.json() == {
        "source_run": str(source),
        "workflow": "greet",
        "source_version": 1,
        "version": 1,
        "from": "polish",
        "reused": ["hello"],
        "run_again": ["polish"],
        "changed": [],
    }
    assert await rows.count("run") == 1


async def test_a_preview_of_another_version_tells_what_it_defines_differently(
    greet: httpx.AsyncClient, source: UUID
) -> None:
    await save(greet, GREET_TWICE)

    preview = (await fork(greet, source, **{"from": "hello", "version": "latest", "preview": True})).json()

    assert (preview["version"], preview["run_again"]) == (2, ["hello", "polish"])
    (change,) = preview["changed"]
    assert change == {"kind": "added", "node": "polish", "path": "timeout", "before": None, "after": "5m"}


async def test_a_fork_is_a_new_run_with_what_the_source_was_started_with(
    greet: httpx.AsyncClient, source: UUID
) -> None:
    answer = await fork(greet, source, **{"from": "polish"})

    run = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert [(node["name"], node["state"]) for node in run["nodes"]] == [
        ("hello", "succeeded"),
        ("polish", "ready"),
    ]
    assert run["input"] == {"name": "Ada", "times": 2}
    assert (run["labels"], run["priority"], run["version"]) == ({"team": "x"}, 7, 1)
    assert run["source_run"] == str(source)
    first = (await greet.get(f"/runs/{run['id']}/events")).json()["items"][0]
    assert first["kind"] == "run.started"
    assert (first["data"]["forked_from"], first["data"]["from_node"]) == (str(source), "polish")


async def test_what_was_taken_over_can_be_read_and_says_whose_it_is(
    greet: httpx.AsyncClient, source: UUID
) -> None:
    first = (await fork(greet, source, **{"from": "polish"})).json()["id"]
    second = (await fork(greet, first, **{"from": "polish"})).json()["id"]

    for run in (first, second):
        hello = (await greet.get(f"/runs/{run}/nodes/hello")).json()
        assert (hello["state"], hello["output"]) == ("succeeded", {"text": "Hello Ada"})
        assert hello["input"] == {"name": "Ada"}
        assert hello["reused_from"] == str(source)
        assert (await greet.get(f"/runs/{run}/nodes/polish")).json()["reused_from"] is None


async def test_input_labels_and_priority_may_be_others(greet: httpx.AsyncClient, source: UUID) -> None:
    answer = await fork(
        greet, source, **{"from": "polish", "input": {"name": "Bob"}, "labels": {}, "priority": 2}
    )

    run = answer.json()
    assert run["input"] == {"name": "Bob", "times": 2}
    assert (run["labels"], run["priority"]) == ({}, 2)


async def test_the_same_key_and_body_is_the_same_fork(
    greet: httpx.AsyncClient, source: UUID, rows: Rows
) -> None:
    body = {"from": "polish", "idempotency_key": "k", "version": "latest"}
    first = await fork(greet, source, **body)
    await save(greet, GREET_NEEDY)

    again = await fork(greet, source, **body)
    other = await fork(greet, source, **body | {"from": "hello"})

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json()["id"] == first.json()["id"]
    assert "'k'" in other.json()["detail"]
    assert await rows.count("run") == 2


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "from: is missing"),
        ({"from": "polis"}, 404, "no node named 'polis'; did you mean 'polish'?"),
        ({"from": "polish", "version": 7}, 404, "greet/7"),
        ({"from": "polish", "version": "lates"}, 422, "version"),
        ({"from": "polish", "input": {"nam": "Ada"}}, 422, "name"),
        ({"from": "polish", "vresion": 1}, 422, "did you mean 'version'"),
        ({"from": "polish", "idempotency_key": "penstock:x"}, 422, "idempotency_key"),
    ],
)
@pytest.mark.parametrize("preview", [True, False])
async def test_what_cannot_be_is_refused_with_what_could(
    greet: httpx.AsyncClient,
    source: UUID,
    rows: Rows,
    body: dict[str, Any],
    status: int,
    said: str,
    preview: bool,
) -> None:
    answer = await fork(greet, source, **body | {"preview": preview})

    assert answer.status_code == status
    assert said in answer.text
    assert await rows.count("run") == 1


@pytest.mark.parametrize("preview", [True, False])
async def test_a_node_that_never_ran_is_nothing_to_fork_from(
    greet: httpx.AsyncClient, rows: Rows, preview: bool
) -> None:
    run = await rows.run()
    await rows.node(run, "hello", "ready", input=as_json({}), wake_at=NOON + seconds(30))

    answer = await fork(greet, run, **{"from": "polish", "preview": preview})

    assert answer.status_code == 409
    assert f"node 'polish' never ran in run {run} (it is waiting)" in answer.json()["detail"]


async def test_the_sources_input_may_not_fit_the_other_version(
    greet: httpx.AsyncClient, source: UUID
) -> None:
    await save(greet, GREET_NEEDY)

    answer = await fork(greet, source, **{"from": "polish", "version": 2})

    assert answer.status_code == 422
    assert f"the input of run {source} does not fit version 2" in answer.json()["detail"]
    assert "tone" in answer.text


async def test_runs_of_another_project_and_of_a_switched_off_workflow_are_not_forked(
    greet: httpx.AsyncClient, source: UUID
) -> None:
    abroad = await greet.post(
        f"/runs/{source}/fork", json={"from": "polish"}, headers={"X-Penstock-Project": "red"}
    )
    await greet.post("/workflows/greet/deactivate")
    off = await fork(greet, source, **{"from": "polish"})

    assert (abroad.status_code, off.status_code) == (404, 409)
    assert str(source) in abroad.json()["detail"]
    assert "not active" in off.json()["detail"]


async def test_a_fork_counts_as_a_start_against_the_rate(greet: httpx.AsyncClient, source: UUID) -> None:
    await greet.put("/limits/starts/default", json={"maximum": 1})
    body = {"from": "polish", "idempotency_key": "k"}

    answers = [await fork(greet, source, **each) for each in (body, {"from": "polish"}, body)]
    preview = await fork(greet, source, **{"from": "polish", "preview": True})

    assert [answer.status_code for answer in answers] == [201, 429, 200]
    assert preview.status_code == 200
