"""Starting runs: versions, defaults, and one run for each idempotency key."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.http.builders import GREET, GREET_LOUDER, START, Rows, save


async def test_a_run_starts_with_defaults_filled_in(greet: httpx.AsyncClient) -> None:
    answer = await greet.post("/runs", json=START | {"labels": {"team": "x"}, "priority": 7})

    started = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/runs/{started['id']}"
    run = (await greet.get(f"/runs/{started['id']}")).json()
    assert run["input"] == {"name": "Ada", "times": 2}
    assert [(node["name"], node["state"]) for node in run["nodes"]] == [
        ("hello", "ready"),
        ("polish", "waiting"),
    ]
    assert started == {name: run[name] for name in started}
    assert (run["labels"], run["priority"], run["version"]) == ({"team": "x"}, 7, 1)


async def test_the_same_key_and_body_is_the_same_run(greet: httpx.AsyncClient, rows: Rows) -> None:
    first = await greet.post("/runs", json=START | {"idempotency_key": "k"})
    again = await greet.post(
        "/runs", content=b'{ "idempotency_key":"k", "input":{"name" : "Ada"}, "workflow":"greet" }'
    )

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert await rows.count("run") == 1


@pytest.mark.parametrize(
    "change", [{"input": {"name": "Bob"}}, {"version": 1}, {"labels": {"a": "b"}}, {"priority": 1}]
)
async def test_the_same_key_with_another_body_is_a_conflict(
    greet: httpx.AsyncClient, rows: Rows, change: dict[str, Any]
) -> None:
    await greet.post("/runs", json=START | {"idempotency_key": "k"})

    answer = await greet.post("/runs", json=START | {"idempotency_key": "k"} | change)

    assert answer.status_code == 409
    assert "'k'" in answer.json()["detail"]
    assert await rows.count("run") == 1


async def test_many_starts_at_once_with_one_key_are_one_run(greet: httpx.AsyncClient, rows: Rows) -> None:
    answers = await asyncio.gather(
        *(greet.post("/runs", json=START | {"idempotency_key": "k"}) for _ in range(30))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await rows.count("run") == 1


async def test_a_key_of_another_project_is_another_key(greet: httpx.AsyncClient, rows: Rows) -> None:
    await save(greet, **{"X-Penstock-Project": "red"})

    here = await greet.post("/runs", json=START | {"idempotency_key": "k"})
    there = await greet.post(
        "/runs", json=START | {"idempotency_key": "k"}, headers={"X-Penstock-Project": "red"}
    )

    assert (here.status_code, there.status_code) == (201, 201)
    assert await rows.count("run") == 2


async def test_a_key_finds_its_run_also_when_the_workflow_is_no_longer_active(
    greet: httpx.AsyncClient,
) -> None:
    first = await greet.post("/runs", json=START | {"idempotency_key": "k"})
    await greet.post("/workflows/greet/deactivate")

    again = await greet.post("/runs", json=START | {"idempotency_key": "k"})
    other = await greet.post("/runs", json=START | {"idempotency_key": "l"})

    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert other.status_code == 409


async def test_a_version_saved_by_another_orchestrator_is_the_latest_here_too(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    await greet.post("/runs", json=START)  # now version 1 is in memory as the latest
    await rows.connection.execute(
        "insert into workflow_version (project, name, version, digest, source)"
        " select project, name, 2, 'other', source from workflow_version where name = 'greet'"
    )
    await rows.connection.execute("update workflow set latest_version = 2")

    latest = await greet.post("/runs", json=START)
    pinned = await greet.post("/runs", json=START | {"version": 1})

    assert latest.json()["version"] == 2
    assert pinned.json()["version"] == 1


async def test_running_runs_keep_their_version(greet: httpx.AsyncClient) -> None:
    run_id = (await greet.post("/runs", json=START)).json()["id"]
    await save(greet, GREET_LOUDER)

    assert (await greet.get(f"/runs/{run_id}")).json()["version"] == 1
    assert (await greet.post("/runs", json=START)).json()["version"] == 2


async def test_an_input_that_misses_a_field_names_it(greet: httpx.AsyncClient, rows: Rows) -> None:
    answer = await greet.post("/runs", json={"workflow": "greet", "input": {"times": "many"}})

    assert answer.status_code == 422
    paths = " ".join(error["path"] + error["message"] for error in answer.json()["errors"])
    assert "name" in paths
    assert "times" in paths
    assert await rows.count("run") == 0


async def test_a_workflow_without_inputs_takes_anything(api: httpx.AsyncClient) -> None:
    await save(api, "name: free\nnodes: {a: {agent: x}}\n")

    answer = await api.post("/runs", json={"workflow": "free", "input": [1, {"a": None}]})
    bare = await api.post("/runs", json={"workflow": "free"})

    assert (answer.status_code, bare.status_code) == (201, 201)
    assert (await api.get(f"/runs/{answer.json()['id']}")).json()["input"] == [1, {"a": None}]


async def test_an_input_above_its_limit_is_refused(api: httpx.AsyncClient) -> None:
    await save(api, "name: free\nnodes: {a: {agent: x}}\n")

    answer = await api.post("/runs", json={"workflow": "free", "input": "x" * 300_000})

    assert answer.status_code == 413
    assert "262144" in answer.json()["detail"]


async def test_ten_versions_appear_while_runs_start(greet: httpx.AsyncClient) -> None:
    async def change() -> None:
        for number in range(10):
            await save(greet, GREET.replace("Says hello", f"Says hello {number}"))

    _, *answers = await asyncio.gather(change(), *(greet.post("/runs", json=START) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
