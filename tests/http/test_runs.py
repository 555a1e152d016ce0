"""Reading and controlling runs: filters, pages, waiting, cancel, retry."""

import asyncio
from time import perf_counter

import httpx

from tests.http.builders import NOON, START, Rows, as_json, seconds


async def test_a_run_shows_its_nodes_in_the_authors_order_with_what_they_need(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    run_id = await rows.run(nodes_open=1, version=5)
    await rows.node(
        run_id,
        "polish",
        "backoff",
        wake_at=NOON + seconds(60),
        attempt=2,
        failure=as_json({"type": "T", "message": "m"}),
    )
    await rows.node(run_id, "hello", "succeeded", output=as_json({"text": "hi \0"}), started_at=NOON)

    run = (await greet.get(f"/runs/{run_id}")).json()

    hello, polish = run["nodes"]
    assert (hello["name"], hello["state"], hello["output"]) == ("hello", "succeeded", {"text": "hi \0"})
    assert hello["started_at"] == "2026-11-20T12:00:00Z"
    assert (polish["agent"], polish["needs"], polish["due_at"]) == (
        "polisher",
        ["hello"],
        "2026-11-20T12:01:00Z",
    )
    assert polish["failure"]["message"] == "m"
    assert run["progress"] == {"total": 2, "done": 1, "percent": 50}
    assert run["seq"] == 5


async def test_an_output_too_large_for_the_view_is_on_the_nodes_page(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    run_id = await rows.run(nodes_total=2_000, nodes_open=2_000)
    text = as_json({"text": "x" * 5_000})
    await rows.node(run_id, "hello", "succeeded", output=text)

    hello = (await greet.get(f"/runs/{run_id}")).json()["nodes"][0]
    page = (await greet.get(f"/runs/{run_id}/nodes/hello")).json()

    assert (hello["output"], hello["output_bytes"]) == (None, len(text))
    assert page["output"] == {"text": "x" * 5_000}


async def test_lists_are_newest_first_in_pages_that_miss_nothing(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    same_moment = [await rows.run(created_at=NOON) for _ in range(3)]
    later = [await rows.run(created_at=NOON + seconds(n)) for n in range(1, 5)]

    seen, cursor = [], None
    while True:
        page = (await greet.get("/runs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert seen == [str(run) for run in [*reversed(later), *sorted(same_moment, reverse=True)]]
    assert "nodes" not in page["items"][0]
    assert "input" not in page["items"][0]


async def test_filters_narrow_the_list(greet: httpx.AsyncClient, rows: Rows) -> None:
    failed = await rows.run(state="failed", labels='{"team": "x", "env": "prod"}')
    old = await rows.run(created_at=NOON - seconds(3600))
    other = await rows.run("other", labels='{"team": "x"}')

    async def ids(**filters: object) -> set[str]:
        page = await greet.get("/runs", params=filters)
        return {item["id"] for item in page.json()["items"]}

    assert await ids(workflow="other") == {str(other)}
    assert await ids(state=["failed", "succeeded"]) == {str(failed)}
    assert await ids(label="team:x") == {str(failed), str(other)}
    assert await ids(label=["team:x", "env:prod"]) == {str(failed)}
    assert await ids(after_time="2026-11-20T12:30:00+01:00") == {str(failed), str(other)}
    assert str(old) in await ids()


async def test_a_run_of_another_project_is_not_found(greet: httpx.AsyncClient, rows: Rows) -> None:
    run_id = await rows.run()
    there = {"X-Penstock-Project": "red"}

    for path in ("", "/events", "/nodes/hello", "/nodes/hello/logs", "/explain"):
        assert (await greet.get(f"/runs/{run_id}{path}", headers=there)).status_code == 404
    for verb in ("cancel", "retry"):
        assert (await greet.post(f"/runs/{run_id}/{verb}", headers=there)).status_code == 404


async def test_waiting_for_a_run_ends_when_the_run_does(greet: httpx.AsyncClient) -> None:
    run_id = (await greet.post("/runs", json=START)).json()["id"]
    waiting = asyncio.create_task(greet.get(f"/runs/{run_id}", params={"wait": 30}))

    began = perf_counter()
    await greet.post(f"/runs/{run_id}/cancel", json={"reason": "enough"})
    run = (await waiting).json()

    assert run["state"] == "cancelled"
    assert perf_counter() - began < 5


async def test_waiting_with_after_ends_with_the_next_event(greet: httpx.AsyncClient) -> None:
    started = (await greet.post("/runs", json=START)).json()

    at_once = await greet.get(f"/runs/{started['id']}", params={"wait": 30, "after": started["seq"] - 1})
    timed_out = await greet.get(f"/runs/{started['id']}", params={"wait": 0.1, "after": started["seq"]})

    assert at_once.json()["state"] == timed_out.json()["state"] == "running"


async def test_waiting_for_a_run_that_is_not_there_answers_at_once(greet: httpx.AsyncClient) -> None:
    began = perf_counter()

    answer = await greet.get("/runs/01890000-0000-7000-8000-000000000001", params={"wait": 30})

    assert answer.status_code == 404
    assert perf_counter() - began < 5


async def test_cancel_is_idempotent_and_refused_after_success(greet: httpx.AsyncClient, rows: Rows) -> None:
    run_id = (await greet.post("/runs", json=START)).json()["id"]
    succeeded = await rows.run(state="succeeded", output="{}")
    for name in ("hello", "polish"):
        await rows.node(succeeded, name, "succeeded")

    first = await greet.post(f"/runs/{run_id}/cancel", json={"reason": "enough"})
    again = await greet.post(f"/runs/{run_id}/cancel")
    refused = await greet.post(f"/runs/{succeeded}/cancel")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["state"] == "cancelled"
    assert refused.status_code == 409
    assert "succeeded" in refused.json()["detail"]


async def test_retry_runs_a_cancelled_run_again_and_refuses_a_running_one(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    run_id = (await greet.post("/runs", json=START)).json()["id"]
    await greet.post(f"/runs/{run_id}/cancel")
    succeeded = await rows.run(state="succeeded", output="{}")
    for name in ("hello", "polish"):
        await rows.node(succeeded, name, "succeeded")

    retried = await greet.post(f"/runs/{run_id}/retry", json={})
    refused = await greet.post(f"/runs/{succeeded}/retry")

    assert retried.status_code == 202
    assert retried.json()["state"] == "running"
    assert refused.status_code == 409


async def test_the_list_can_be_of_runs_that_have_not_ended(greet: httpx.AsyncClient, rows: Rows) -> None:
    paused, done = await rows.run(state="paused"), await rows.run(state="failed")

    active = (await greet.get("/runs", params={"active": "true"})).json()["items"]
    ended = (await greet.get("/runs", params={"active": "false"})).json()["items"]

    assert [run["id"] for run in active] == [str(paused)]
    assert [run["id"] for run in ended] == [str(done)]
