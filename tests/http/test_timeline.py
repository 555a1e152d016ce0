"""A run's story: events, attempts, logs, and why it does not go on."""

import asyncio
from uuid import UUID

import httpx
import pytest

from tests.http.builders import START, Rows, as_json


@pytest.fixture
async def troubled(greet: httpx.AsyncClient, rows: Rows) -> UUID:
    """A failed run: hello failed once and succeeded, polish failed for good."""
    run_id = await rows.run(state="failed", version=9)
    failure = {"type": "Timeout", "message": "too slow", "error_class": "timeout", "stack": "at line 3"}
    await rows.node(run_id, "hello", "succeeded", attempt=2, input=as_json({"name": "Ada"}))
    await rows.node(run_id, "polish", "failed", failure=as_json(failure))
    story = [
        ("run.started", None, None, {"workflow": "greet", "version": 1}),
        ("node.started", "hello", 1, {"runner": "runner-1"}),
        ("node.attempt_failed", "hello", 1, {"failure": failure, "retry_in_s": 0.5}),
        ("node.started", "hello", 2, {"runner": "runner-2"}),
        ("node.succeeded", "hello", 2, {"seconds": 1.0}),
        ("node.ready", "polish", 1, {"publication": 1}),
        ("node.started", "polish", 1, {"runner": "runner-1"}),
        ("node.failed", "polish", 1, {"failure": failure}),
        ("run.failed", None, None, {"failure": failure}),
    ]
    for seq, (kind, node, attempt, data) in enumerate(story, start=1):
        await rows.event(run_id, seq, kind, node=node, attempt=attempt, data=data)
    await rows.runner("runner-2", [], tier="landlock")
    return run_id


async def test_events_come_in_order_and_end_with_the_run(greet: httpx.AsyncClient, troubled: UUID) -> None:
    first = (await greet.get(f"/runs/{troubled}/events", params={"limit": 4})).json()
    rest = (await greet.get(f"/runs/{troubled}/events", params={"after": first["next"]})).json()

    assert [event["seq"] for event in first["items"] + rest["items"]] == list(range(1, 10))
    assert first["next"] == 4
    assert rest["next"] is None
    assert first["items"][2]["data"]["failure"]["stack"] == "at line 3"


async def test_waiting_for_events_ends_with_the_next_one(greet: httpx.AsyncClient) -> None:
    started = (await greet.post("/runs", json=START)).json()
    waiting = asyncio.create_task(
        greet.get(f"/runs/{started['id']}/events", params={"after": started["seq"], "wait": 30})
    )

    await greet.post(f"/runs/{started['id']}/cancel", json={"reason": "enough"})
    page = (await waiting).json()

    assert page["items"][0]["seq"] == started["seq"] + 1
    assert page["items"][0]["kind"] == "run.cancelling"


async def test_a_node_tells_its_attempts(greet: httpx.AsyncClient, troubled: UUID) -> None:
    hello = (await greet.get(f"/runs/{troubled}/nodes/hello")).json()

    first, second = hello["attempts"]
    assert (first["attempt"], first["outcome"], first["runner"], first["tier"]) == (
        1,
        "failed",
        "runner-1",
        None,
    )
    assert first["failure"]["message"] == "too slow"
    assert (second["attempt"], second["outcome"], second["tier"]) == (2, "succeeded", "landlock")
    assert hello["input"] == {"name": "Ada"}


async def test_an_error_keeps_type_message_and_stack(greet: httpx.AsyncClient, troubled: UUID) -> None:
    polish = (await greet.get(f"/runs/{troubled}/nodes/polish")).json()

    assert polish["failure"]["type"] == "Timeout"
    assert polish["failure"]["stack"] == "at line 3"
    assert polish["attempts"][0]["failure"] == polish["failure"]


async def test_a_waiting_node_has_a_page_too(greet: httpx.AsyncClient, rows: Rows) -> None:
    run_id = await rows.run()

    polish = (await greet.get(f"/runs/{run_id}/nodes/polish")).json()

    assert (polish["state"], polish["attempts"], polish["input"]) == ("waiting", [], None)


async def test_an_unknown_node_names_the_nearest(greet: httpx.AsyncClient, rows: Rows) -> None:
    run_id = await rows.run()

    for path in ("nodes/polsh", "nodes/polsh/logs"):
        answer = await greet.get(f"/runs/{run_id}/{path}")
        assert answer.status_code == 404
        assert "did you mean 'polish'?" in answer.json()["detail"]


async def test_logs_are_of_the_latest_attempt_unless_another_is_named(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    run_id = await rows.run()
    for line in range(1, 4):
        await rows.log_line(run_id, "hello", line, f"first {line}", attempt=1)
        await rows.log_line(run_id, "hello", line, f"second {line}", attempt=2)

    async def page(**params: int) -> dict[str, object]:
        answer = (await greet.get(f"/runs/{run_id}/nodes/hello/logs", params=params)).json()
        return {"texts": [item["text"] for item in answer["items"]], "next": answer["next"]}

    assert await page() == {"texts": ["second 1", "second 2", "second 3"], "next": None}
    assert await page(attempt=1, limit=2) == {"texts": ["first 1", "first 2"], "next": 2}
    assert await page(attempt=1, after=2) == {"texts": ["first 3"], "next": None}
    assert await page(attempt=9) == {"texts": [], "next": None}


async def test_explain_says_why_each_unfinished_node_does_not_run(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    await rows.runner("runner-1", [{"name": "greter", "version": "1"}])
    run_id = (await greet.post("/runs", json=START)).json()["id"]

    explanation = (await greet.get(f"/runs/{run_id}/explain")).json()

    hello, polish = explanation["nodes"]
    assert (hello["node"], hello["state"]) == ("hello", "ready")
    assert "'greeter'" in hello["sentence"]
    assert "greter" in hello["sentence"]  # what the living runner offers, which is near
    assert "hello" in polish["sentence"]
    assert hello["reason"]["code"] != polish["reason"]["code"]


async def test_explain_of_an_ended_run_has_no_nodes(greet: httpx.AsyncClient, troubled: UUID) -> None:
    explanation = (await greet.get(f"/runs/{troubled}/explain")).json()

    assert (explanation["state"], explanation["nodes"]) == ("failed", [])
    assert "it broke" in explanation["sentence"]
