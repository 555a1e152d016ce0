"""A paused workflow starts no attempts, whoever starts its runs; resumed, exactly those go on that it had paused."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed, AttemptFailed
from orchestrator.main import Parts
from penstock.contracts.failure import ErrorClass, Failure
from penstock_cli.embedded.nats import Nats
from tests.http.builders import START
from tests.http.conftest import client_of, orchestrator
from tests.invariants import broken_invariants

WHY = {"by": "ada", "reason": "the provider is down"}


async def start(api: httpx.AsyncClient, **fields: Any) -> str:
    answer = await api.post("/runs", json={**START, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def pause(api: httpx.AsyncClient, verb: str = "pause", **body: str) -> dict[str, Any]:
    answer = await api.post(f"/workflows/greet/{verb}", json=body or WHY)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def state_of(api: httpx.AsyncClient, run: str) -> str:
    return str((await api.get(f"/runs/{run}")).json()["state"])


async def claim(parts: Parts, run: str, node: str = "hello") -> Any:
    (answer,) = await parts.engine.handle([(UUID(run), AttemptClaimed(node, 1, uuid4(), "runner-1"))])
    return answer


async def test_a_paused_workflow_pauses_its_open_runs_and_resumes_exactly_those(
    greet: httpx.AsyncClient, parts: Parts, database: str
) -> None:
    runs = [await start(greet) for _ in range(3)]
    await greet.post(f"/runs/{runs[0]}/pause", json={"by": "bob"})

    paused = await pause(greet)
    assert [await state_of(greet, run) for run in runs] == ["paused"] * 3
    assert [await claim(parts, run) for run in runs] == [Outcome.REFUSED] * 3
    assert (paused["paused"]["by"], paused["paused"]["reason"]) == ("ada", "the provider is down")
    resumed = await pause(greet, "resume", by="cleo", reason="it is back")

    assert [await state_of(greet, run) for run in runs] == ["paused", "running", "running"]
    assert await claim(parts, runs[1]) is Outcome.APPLIED
    assert resumed["paused"] is None
    assert [(each["action"], each["by"], each["reason"]) for each in resumed["events"]] == [
        ("resumed", "cleo", "it is back"),
        ("paused", "ada", "the provider is down"),
    ]
    assert await broken_invariants(database) == {}


async def test_a_run_that_is_started_meanwhile_is_accepted_and_waits(
    greet: httpx.AsyncClient, parts: Parts, database: str
) -> None:
    await pause(greet)

    answer = await greet.post("/runs", json=START)
    run = answer.json()["id"]
    view = (await greet.get(f"/runs/{run}")).json()
    assert (answer.status_code, view["state"], view["pause"]["cause"]) == (201, "paused", "workflow")
    assert [node["state"] for node in view["nodes"]] == ["waiting", "waiting"]
    fork = await start(greet, idempotency_key="again")
    await pause(greet, "resume")

    assert [await state_of(greet, each) for each in (run, fork)] == ["running"] * 2
    assert await claim(parts, run) is Outcome.APPLIED
    assert (await greet.get(f"/runs/{run}")).json()["deadline_at"] is not None
    assert await broken_invariants(database) == {}


async def test_the_explanation_names_the_workflow_and_who_paused_it(greet: httpx.AsyncClient) -> None:
    run = await start(greet)
    before = await pause(greet)

    explained = (await greet.get(f"/runs/{run}/explain")).json()

    since = before["paused"]["since"]
    assert explained["sentence"].startswith(
        f"workflow 'greet' is paused by ada since {since[:10]} {since[11:19]} UTC: the provider is down;"
    )
    assert explained["reason"]["code"] == "workflow_paused"
    assert explained["nodes"][0]["reason"] == {"code": "run_paused"}


async def test_asking_again_changes_nothing(greet: httpx.AsyncClient) -> None:
    run = await start(greet)

    first = await pause(greet)
    second = await pause(greet, by="bob", reason="me too")
    await pause(greet, "resume")
    last = await pause(greet, "resume", by="bob")

    assert first == second
    assert [each["action"] for each in last["events"]] == ["resumed", "paused"]
    events = (await greet.get(f"/runs/{run}/events")).json()["items"]
    assert [event["kind"] for event in events].count("run.paused") == 1
    assert [event["kind"] for event in events].count("run.resumed") == 1


async def test_an_unknown_workflow_is_named(greet: httpx.AsyncClient) -> None:
    answer = await greet.post("/workflows/great/pause", json={})

    assert answer.status_code == 404
    assert "did you mean 'greet'?" in answer.json()["detail"]


async def test_a_run_does_not_go_on_alone_while_its_workflow_is_paused(
    greet: httpx.AsyncClient, parts: Parts
) -> None:
    with_workflow, by_person, failed = [await start(greet) for _ in range(3)]
    await greet.post(f"/runs/{by_person}/pause", json={})
    token = uuid4()
    broken = Failure("Broken", "it broke", ErrorClass.VALIDATION)
    await parts.engine.handle([(UUID(failed), AttemptClaimed("hello", 1, token, "runner-1"))])
    await parts.engine.handle([(UUID(failed), AttemptFailed("hello", 1, token, broken, 0.0))])
    assert await state_of(greet, failed) == "failed"
    await pause(greet)

    answers = [
        await greet.post(f"/runs/{with_workflow}/resume", json={}),
        await greet.post(f"/runs/{by_person}/resume", json={}),
        await greet.post(f"/runs/{failed}/retry", json={}),
    ]

    assert [answer.status_code for answer in answers] == [409] * 3
    assert {answer.json()["detail"] for answer in answers} == {
        "workflow 'greet' is paused by ada: resume the workflow first"
    }
    assert (await greet.post(f"/runs/{with_workflow}/cancel", json={})).status_code == 202
    await pause(greet, "resume")
    assert (await greet.post(f"/runs/{by_person}/resume", json={})).status_code == 202


async def test_a_pause_of_a_person_outlives_that_of_the_workflow(greet: httpx.AsyncClient) -> None:
    run = await start(greet)
    await pause(greet)

    answer = await greet.post(f"/runs/{run}/pause", json={"by": "bob", "reason": "look first"})
    await pause(greet, "resume")

    assert answer.status_code == 202
    view = (await greet.get(f"/runs/{run}")).json()
    assert (view["state"], view["pause"]["cause"], view["pause"]["by"]) == ("paused", "person", "bob")


@pytest.mark.parametrize("which", ["the one that paused", "another"])
async def test_a_sweep_repairs_what_was_left_half_way(
    greet: httpx.AsyncClient,
    parts: Parts,
    database: str,
    nats_server: Nats,
    tmp_path: Path,
    which: str,
) -> None:
    """An orchestrator dies after the flag was set, or a run is started by one that has not heard of it."""
    run = await start(greet)
    connection = await asyncpg.connect(database)
    await connection.execute(
        "update workflow set paused_at = now(), paused_by = 'ada', pause_reason = 'half-way'"
    )
    await connection.execute(
        "insert into workflow_event (project, workflow, action, by, reason)"
        " values ('default', 'greet', 'paused', 'ada', 'half-way')"
    )

    async with orchestrator(database, nats_server, tmp_path) as second:
        sweeper = parts if which == "the one that paused" else second
        await sweeper.engine.pauses.sweep()
        assert await state_of(greet, run) == "paused"
        await connection.execute(
            "update workflow set paused_at = null, paused_by = null, pause_reason = null, resuming_since = now()"
        )
        await sweeper.engine.pauses.sweep()
        assert await state_of(greet, run) == "running"
        await connection.execute("update workflow set resuming_since = now() - interval '61 s'")
        await sweeper.engine.pauses.sweep()

    assert await connection.fetchval("select resuming_since from workflow") is None
    await connection.close()


async def test_an_orchestrator_that_has_not_heard_of_the_pause_offers_nothing(
    greet: httpx.AsyncClient, parts: Parts, database: str, nats_server: Nats, tmp_path: Path
) -> None:
    async with (
        orchestrator(database, nats_server, tmp_path) as second,
        client_of(second.server.config.app) as other,  # type: ignore[arg-type]
    ):
        before = await start(other)
        await pause(greet)
        during = await start(other)
        assert [await state_of(other, run) for run in (before, during)] == ["paused"] * 2
        assert await claim(second, during) is Outcome.REFUSED

        await pause(greet, "resume")
        after = await start(other)  # in its memory the workflow is still paused

        assert [await state_of(other, run) for run in (before, during, after)] == ["running"] * 3
        assert [await claim(second, run) for run in (before, during, after)] == [Outcome.APPLIED] * 3
    assert await broken_invariants(database) == {}


async def test_queued_runs_stay_queued_until_the_workflow_goes_on(
    api: httpx.AsyncClient, parts: Parts
) -> None:
    nodes = {"hello": {"agent": "greeter"}}
    await api.post("/workflows", json={"name": "greet", "concurrency": 1, "nodes": nodes})
    holder, queued = [await start(api, input={}) for _ in range(2)]
    await pause(api)
    await api.post(f"/runs/{holder}/cancel", json={})
    await parts.engine.effects.idle()
    await parts.engine.slots.grant_all()
    assert await state_of(api, queued) == "queued"
    assert (
        "besides, workflow 'greet' is paused by ada"
        in ((await api.get(f"/runs/{queued}/explain")).json()["sentence"])
    )

    await pause(api, "resume")
    await parts.sweep()

    assert await state_of(api, queued) == "running"


async def test_pausing_many_runs_while_others_are_started_leaves_none_running(
    greet: httpx.AsyncClient, parts: Parts, database: str, nats_server: Nats, tmp_path: Path
) -> None:
    async with (
        orchestrator(database, nats_server, tmp_path) as second,
        client_of(second.server.config.app) as other,  # type: ignore[arg-type]
    ):
        await asyncio.gather(
            *(start(api) for _ in range(60) for api in (greet, other)), pause(greet), pause(other)
        )
        await second.engine.pauses.sweep()
        states = await asyncpg.connect(database)
        assert await states.fetch("select state, count(*) from run group by state") == [("paused", 120)]
        await asyncio.gather(pause(greet, "resume"), pause(other, "resume"))
        assert await states.fetch("select state, count(*) from run group by state") == [("running", 120)]
        await states.close()
