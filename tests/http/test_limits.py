"""Limits over HTTP: set, seen, in force, unset; and the rate of starts with its 429."""

import httpx
import pytest

from tests.http.builders import START, Rows, save

GREETER = {"name": "greeter", "version": "1.0.0", "description": "Greets", "input": {"type": "object"}}


async def test_a_limit_is_set_seen_changed_and_unset(greet: httpx.AsyncClient, rows: Rows) -> None:
    run = await rows.run()
    await rows.node(run, "hello", "running")

    first = await greet.put("/limits/project/default", json={"maximum": 3})
    changed = await greet.put("/limits/project/default", json={"maximum": 2})
    listed = (await greet.get("/limits")).json()["items"]
    gone = await greet.delete("/limits/project/default")

    assert [answer.status_code for answer in (first, changed, gone)] == [200, 200, 204]
    assert (first.json()["maximum"], first.json()["running"]) == (3, 1)
    assert [(limit["scope"], limit["name"], limit["maximum"]) for limit in listed] == [
        ("project", "default", 2)
    ]
    assert (await greet.get("/limits")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("project/default", {"maximum": -1}, 422, ">= 0"),
        ("project/default", {"maximum": 100_001}, 422, "<= 100000"),
        ("project/default", {"maximum": "3"}, 422, "maximum"),
        ("project/default", {}, 422, "is missing"),
        ("project/default", {"maximum": 1, "maximun": 2}, 422, "did you mean 'maximum'"),
        ("project/No%20Name", {"maximum": 1}, 422, "expected a name"),
        ("starts/default", {"maximum": 0}, 422, "at least 1"),
        ("projekt/default", {"maximum": 1}, 404, "did you mean 'project'"),
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, path: str, body: object, status: int, word: str
) -> None:
    answer = await api.put(f"/limits/{path}", json=body)

    assert answer.status_code == status
    assert word in answer.text


async def test_a_limit_that_is_not_set_cannot_be_unset(api: httpx.AsyncClient) -> None:
    await api.put("/limits/pool/gpus", json={"maximum": 1})

    answer = await api.delete("/limits/pool/gpu")

    assert answer.status_code == 404
    assert "did you mean 'gpus'" in answer.json()["detail"]


async def test_more_starts_than_the_rate_are_told_when_to_come_again(greet: httpx.AsyncClient) -> None:
    await greet.put("/limits/starts/default", json={"maximum": 1})
    body = START | {"idempotency_key": "k"}

    first = await greet.post("/runs", json=body)
    second = await greet.post("/runs", json=START)
    again = await greet.post("/runs", json=body)

    assert [answer.status_code for answer in (first, second, again)] == [201, 429, 200]
    assert second.headers["retry-after"] == "1"
    assert second.json()["type"] == "urn:penstock:problem:too-many-requests"
    assert "project 'default' may start 1 runs a second" in second.json()["detail"]
    assert again.json()["id"] == first.json()["id"], "to ask for what was started, is to start nothing"


async def test_the_rate_of_one_project_is_nothing_to_another(greet: httpx.AsyncClient) -> None:
    await greet.put("/limits/starts/default", json={"maximum": 1})
    other = {"x-penstock-project": "other"}
    await save(greet, **other)

    of_default = [(await greet.post("/runs", json=START)).status_code for _ in range(2)]
    of_other = [(await greet.post("/runs", json=START, headers=other)).status_code for _ in range(3)]

    assert of_default == [201, 429]
    assert of_other == [201, 201, 201]


@pytest.mark.parametrize("scope", ["project/default", "pool/default"])
async def test_explain_names_the_limit_and_who_holds_it(
    greet: httpx.AsyncClient, rows: Rows, scope: str
) -> None:
    await rows.runner("runner-1", [GREETER])
    await rows.connection.execute("update runner set seen_at = now()")
    holder = await rows.run()
    await rows.node(holder, "hello", "running")
    await greet.put(f"/limits/{scope}", json={"maximum": 1})
    waiting = (await greet.post("/runs", json=START)).json()["id"]

    node = (await greet.get(f"/runs/{waiting}/explain")).json()["nodes"][0]

    kind = scope.partition("/")[0]
    sentence = f"waits for the limit of {kind} 'default': 1 of 1 attempts run, 'hello' of run {holder}"
    assert node["sentence"] == sentence
    assert node["reason"] == {
        "code": "limit_reached",
        "scope": kind,
        "name": "default",
        "maximum": 1,
        "running": 1,
        "holders": [{"run": str(holder), "node": "hello"}],
    }
