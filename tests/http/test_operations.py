"""Health, readiness, metrics, agents, statistics, and the API's own description."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from penstock.http import readiness
from tests.http.builders import NOON, START, Rows, seconds

GREETER = {"name": "greeter", "version": "1.0.0", "description": "Greets", "input": {"type": "object"}}


@pytest.fixture
def root(api: httpx.AsyncClient) -> str:
    return str(api.base_url).removesuffix("/api/v1/")


async def test_health_is_ok(api: httpx.AsyncClient, root: str) -> None:
    assert (await api.get(f"{root}/health")).json() == {"status": "ok"}


async def test_ready_names_every_dependency(api: httpx.AsyncClient, root: str) -> None:
    answer = await api.get(f"{root}/ready")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    names = {dependency["name"] for dependency in answer.json()["dependencies"]}
    assert len(names) >= 2


async def test_a_dependency_that_does_not_even_let_go_does_not_hold_up_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "ASK_S_MAX", 0.05)
    thawed = asyncio.Event()

    async def frozen() -> str:
        """As asyncpg is when its server is: it waits until its cancellation is confirmed."""
        with suppress(asyncio.CancelledError):
            await thawed.wait()
        await thawed.wait()
        return "late"

    found = await asyncio.wait_for(readiness.ask("postgresql", frozen), 5)
    thawed.set()

    assert (found.ok, "no answer within 0.05 s" in found.detail) == (False, True)


async def test_metrics_count_requests_by_route_and_never_by_id(
    greet: httpx.AsyncClient, root: str, rows: Rows
) -> None:
    run_id = await rows.run()
    await greet.get(f"/runs/{run_id}")
    await greet.get("/no/such/path")

    text = (await greet.get(f"{root}/metrics")).text

    assert 'penstock_http_requests_total{method="GET",route="/api/v1/runs/{run_id}",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert str(run_id) not in text


async def test_agents_list_who_offers_them_and_who_is_alive(api: httpx.AsyncClient, rows: Rows) -> None:
    await rows.runner("alive", [GREETER, {"name": "broken", "version": "1", "error": "no command"}])
    await rows.runner("newer", [GREETER | {"version": "1.1.0"}])
    long_ago = NOON - timedelta(days=1)
    await rows.runner("silent", [GREETER], seen_at=long_ago)
    await rows.runner("left", [GREETER], left_at=long_ago)

    agents = (await api.get("/agents")).json()

    broken, greeter = agents["items"]
    assert broken["versions"][0]["error"] == "no command"
    assert [(v["version"], v["runners"]) for v in greeter["versions"]] == [
        ("1.0.0", ["alive"]),
        ("1.1.0", ["newer"]),
    ]
    alive = {runner["id"]: runner["alive"] for runner in agents["runners"]}
    assert alive == {"alive": True, "newer": True, "silent": False, "left": False}


async def test_statistics_of_runs_workflows_and_nodes(greet: httpx.AsyncClient, rows: Rows) -> None:
    for took in (1, 2, 3, 4):
        run_id = await rows.run(state="succeeded", ended_at=NOON + seconds(took))
        await rows.node(
            run_id, "hello", "succeeded", attempt=2, started_at=NOON, ended_at=NOON + seconds(took)
        )
    failed = await rows.run("other", state="failed", ended_at=NOON + seconds(100))
    await rows.node(failed, "hello", "failed", started_at=NOON)
    await rows.run()

    figures = (await greet.get("/statistics")).json()

    runs = figures["runs"]
    assert (runs["total"], runs["active"], runs["succeeded"], runs["failed"]) == (6, 1, 4, 1)
    assert runs["success_rate"] == 0.8
    assert [workflow["name"] for workflow in figures["workflows"]] == ["greet", "other"]
    assert figures["workflows"][0]["seconds"] == pytest.approx(
        {"mean": 2.5, "p50": 2.5, "p95": 3.85, "p99": 3.97}
    )
    node = figures["nodes"][0]
    assert (node["workflow"], node["node"], node["runs"], node["retries"], node["failures"]) == (
        "greet",
        "hello",
        4,
        4,
        0,
    )
    assert node["seconds"]["mean"] == pytest.approx(2.5)


async def test_statistics_tell_of_undoing_and_of_items(greet: httpx.AsyncClient, rows: Rows) -> None:
    undone = await rows.run(state="compensated", ended_at=NOON + seconds(1))
    await rows.node(undone, "charge", "compensated", started_at=NOON, ended_at=NOON + seconds(1), output="{}")
    await rows.node(undone, "charge:undo", "succeeded", part_of="charge", attempt=3, started_at=NOON)
    await rows.run(state="succeeded")
    await rows.run(state="queued")
    await rows.connection.execute(
        "insert into breaker (project, key, state, opened_at) values"
        " ('default', 'dependency/llm', 'open', now()), ('default', 'dependency/git', 'closed', null)"
    )

    figures = (await greet.get("/statistics")).json()

    assert figures["runs"]["states"] == {"queued": 1, "succeeded": 1, "compensated": 1}
    assert (figures["runs"]["active"], figures["runs"]["compensation_rate"]) == (1, 0.5)
    (node,) = figures["nodes"]
    assert (node["node"], node["runs"], node["attempts"], node["retries"]) == ("charge", 1, 4, 2)
    assert (node["compensations"], node["failures"], node["seconds"]["mean"]) == (1, 0, 1.0)
    assert figures["breakers"] == [{"key": "dependency/llm", "state": "open", "open_until": None}]


async def test_statistics_count_attempts_that_began_and_no_refused_or_open_offers(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    run_id = await rows.run()
    held = {"attempt": 3, "first_attempt": 3, "started_at": NOON, "ended_at": NOON + seconds(1)}
    await rows.node(run_id, "held", "failed", **held)
    await rows.node(run_id, "offered", "ready", attempt=1)
    repeated = {"iteration": 3, "attempt": 4, "first_attempt": 3}  # the last of three had two attempts
    await rows.node(run_id, "repeated", "failed", **repeated, started_at=NOON)
    await rows.node(
        run_id, "spread", "running", attempt=1, started_at=NOON, detail='{"is":"foreach","total":2}'
    )
    await rows.node(run_id, "spread[0]", "failed", part_of="spread", attempt=2, started_at=NOON)

    figures = (await greet.get("/statistics")).json()

    counts = {node["node"]: (node["attempts"], node["retries"]) for node in figures["nodes"]}
    assert counts == {"held": (1, 0), "offered": (0, 0), "repeated": (4, 1), "spread": (2, 1)}


async def test_statistics_tell_what_was_used_and_what_of_it_has_a_price(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    run_id = await rows.run()
    used = {"tokens_in": 100, "tokens_out": 20, "cost_dollars": 0.5, "unpriced": 3, "models": []}
    await rows.event(run_id, 1, "node.attempt_failed", node="hello", data={"seconds": 30.0, "x": "\x01"})
    await rows.event(run_id, 2, "node.succeeded", node="hello", data={"seconds": 60.0, "usage": used})
    await rows.event(run_id, 3, "node.failed", node="polish", data={"seconds": 9.0, "message": "\x00"})
    await rows.event(run_id, 4, "node.suspended", node="wait", data={"seconds": 3600.0})
    await rows.run("other")

    figures = (await greet.get("/statistics")).json()

    greet_cost, other_cost = (workflow["cost"] for workflow in figures["workflows"])
    assert greet_cost == {
        "execution_minutes": 1.5,
        "execution_dollars": None,
        "tokens_in": 100,
        "tokens_out": 20,
        "llm_dollars": 0.5,
        "unpriced_calls": 3,
    }
    assert (other_cost["execution_minutes"], other_cost["llm_dollars"]) == (0, None)
    assert figures["runs"]["cost"] == greet_cost


async def test_statistics_can_be_narrowed(greet: httpx.AsyncClient, rows: Rows) -> None:
    await rows.run(state="succeeded")
    await rows.run("other", state="succeeded", created_at=NOON - seconds(7200))

    by_workflow = (await greet.get("/statistics", params={"workflow": "other"})).json()
    since = (await greet.get("/statistics", params={"since": "2026-11-20T11:30:00Z"})).json()
    none = (await greet.get("/statistics", params={"workflow": "nothing"})).json()

    assert [workflow["name"] for workflow in by_workflow["workflows"]] == ["other"]
    assert [workflow["name"] for workflow in since["workflows"]] == ["greet"]
    assert none["runs"]["success_rate"] is None
    assert none["runs"]["seconds"]["p99"] is None


async def test_every_route_is_described_with_its_parameters(api: httpx.AsyncClient, app: FastAPI) -> None:
    document = (await api.get("/openapi.json")).json()

    routed = {
        (method, route.path.replace(":path}", "}"))
        for route in app.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD" and getattr(route, "include_in_schema", True) is False
    }
    described = {(m.upper(), path) for path, operations in document["paths"].items() for m in operations}
    assert {
        pair for pair in routed if not pair[1].startswith(("/docs", "/redoc", "/api/v1/openapi"))
    } == described
    listing = document["paths"]["/api/v1/runs"]["get"]
    assert {"workflow", "state", "label", "limit", "cursor"} <= {p["name"] for p in listing["parameters"]}
    start = document["paths"]["/api/v1/runs"]["post"]
    assert start["requestBody"]["content"]["application/json"]["example"]["workflow"] == "greet"
    assert {"201", "200", "409", "422"} <= set(start["responses"])


async def test_every_reference_of_the_description_leads_somewhere(api: httpx.AsyncClient) -> None:
    text = (await api.get("/openapi.json")).text
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]

    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert references <= set(schemas)
    assert "RunView" in references


async def test_reads_go_on_after_the_database_cut_every_connection(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    run_id = (await greet.post("/runs", json=START)).json()["id"]
    await greet.get(f"/runs/{run_id}")

    await rows.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and datname = current_database()"
    )

    assert (await greet.get(f"/runs/{run_id}")).status_code == 200
