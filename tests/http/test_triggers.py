"""Events and alerts start runs: each one run for each trigger that means it, and what became of it can be read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from orchestrator.composition import Parts
from orchestrator.engine import triggering
from orchestrator.store.inbound import unoffered_events
from penstock.contracts.inbound import InboundEvent, alert_type
from penstock_cli.embedded.nats import Nats
from tests.http.conftest import client_of, orchestrator

PUSH = "com.github.push"
STRUCTURED = {"content-type": "application/cloudevents+json"}
MAIN = "${{ event.data.ref == 'main' }}"
WATCH: dict[str, Any] = {
    "name": "watch",
    "inputs": {
        "type": "object",
        "required": ["repository"],
        "properties": {"repository": {"type": "string"}},
    },
    "nodes": {"check": {"agent": "checker"}},
}
ALERT = {
    "status": "firing",
    "labels": {"alertname": "DependencyVulnerable", "severity": "high", "repository": "shop"},
    "annotations": {"summary": "a CVE"},
    "startsAt": "2026-11-21T09:30:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "a1b2c3d4e5f60718",
}


def on_push(**fields: Any) -> dict[str, Any]:
    return {"event": {"type": PUSH, "input": {"repository": "${{ event.data.clone }}"}, **fields}}


def on_alert(**fields: Any) -> dict[str, Any]:
    match = {"alertname": "DependencyVulnerable"}
    given = {"repository": "${{ alert.labels.repository }}"}
    return {"alert": {"match": match, "input": given, **fields}}


def push(id: object, *, ref: str = "main", **fields: Any) -> dict[str, Any]:
    data = {"ref": ref, "clone": "shop"}
    return {"specversion": "1.0", "id": str(id), "source": "/git", "type": PUSH, "data": data, **fields}


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as opened:
        yield opened


async def save(api: httpx.AsyncClient, *triggers: dict[str, Any], **fields: Any) -> None:
    answer = await api.post("/workflows", json={**WATCH, "triggers": list(triggers), **fields})
    assert answer.status_code in (200, 201), answer.text


async def send(api: httpx.AsyncClient, event: dict[str, Any]) -> httpx.Response:
    return await api.post("/events", content=msgspec.json.encode(event), headers=STRUCTURED)


async def runs(api: httpx.AsyncClient, workflow: str = "watch") -> list[dict[str, Any]]:
    found = (await api.get(f"/runs?workflow={workflow}")).json()["items"]
    return [(await api.get(f"/runs/{run['id']}")).json() for run in found]


async def until_offered(pool: asyncpg.Pool) -> None:
    async with asyncio.timeout(10):
        while await pool.fetchval("select count(*) from inbound_event where not offered"):
            await asyncio.sleep(0.01)


async def reactions(api: httpx.AsyncClient, pool: asyncpg.Pool) -> list[list[tuple[str, str, str]]]:
    """Of each event, oldest first: what each trigger that means it did."""
    await until_offered(pool)
    events = (await api.get("/events")).json()["items"]
    return [
        [(each["workflow"], each["trigger"], each["outcome"]) for each in event["reactions"]]
        for event in reversed(events)
    ]


async def alert(parts: Parts, *, id: str, **fields: Any) -> None:
    """As the notifier sends it over the bus."""
    data = {**ALERT, **fields}
    event = InboundEvent(
        project="default",
        source="/alertmanagers/main",
        id=id,
        type=alert_type(data["status"]),
        subject=data["labels"]["alertname"],
        data=msgspec.json.encode(data),
    )
    await parts.inbox.take([event])


async def test_an_event_starts_a_run_with_what_it_says(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await save(api, on_push(**{"if": MAIN}))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await send(api, push(1, traceparent=trace))

    assert await reactions(api, pool) == [[("watch", "event-1", "started")]]
    (run,) = await runs(api)
    assert run["input"] == {"repository": "shop"}
    assert run["started_by"] == f"event {PUSH}"
    assert run["labels"] == {"trigger": "event-1", "event": PUSH, "source": "/git"}
    assert await pool.fetchval("select traceparent from run") == trace
    (event,) = (await api.get("/events")).json()["items"]
    assert event["reactions"][0]["run"] == run["id"]


async def test_a_repeated_event_starts_nothing_and_another_does(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await save(api, on_push())

    for id in (1, 1, 2, 1):
        await send(api, push(id))

    assert await reactions(api, pool) == [[("watch", "event-1", "started")]] * 2
    assert len(await runs(api)) == 2


async def test_a_condition_decides_and_one_that_fails_is_told(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await save(api, on_push(**{"if": MAIN}))

    await send(api, push(1, ref="topic"))
    await send(api, push(2) | {"data": {"clone": "shop"}})
    await send(api, push(3) | {"type": "com.github.tag"})

    assert await reactions(api, pool) == [[], [("watch", "event-1", "failed")], []]
    assert await runs(api) == []
    failed = (await api.get("/events")).json()["items"][1]["reactions"][0]
    assert "ref" in failed["reason"]


async def test_each_trigger_that_means_an_event_starts_a_run(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await save(api, on_push(), on_push(**{"if": MAIN}), on_push(**{"if": "${{ false }}"}))
    await save(api, on_push(), name="mirror")

    await send(api, push(1))

    assert await reactions(api, pool) == [
        [("mirror", "event-1", "started"), ("watch", "event-1", "started"), ("watch", "event-2", "started")]
    ]


async def test_an_input_that_does_not_fit_is_refused_with_its_field(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await save(api, on_push(input={"repository": "${{ size(event.data.clone) }}"}))

    await send(api, push(1))

    assert await reactions(api, pool) == [[("watch", "event-1", "refused")]]
    (event,) = (await api.get("/events")).json()["items"]
    assert "input.repository" in event["reactions"][0]["reason"]
    assert event["reactions"][0]["run"] is None


async def test_a_workflow_that_is_not_active_refuses(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await save(api, on_push())
    await api.post("/workflows/watch/deactivate", json={})
    await send(api, push(1))
    assert await reactions(api, pool) == [[("watch", "event-1", "refused")]]

    await api.post("/workflows/watch/activate", json={})
    await send(api, push(2))

    assert (await reactions(api, pool))[1] == [("watch", "event-1", "started")]
    assert len(await runs(api)) == 1


async def test_a_new_version_decides_about_what_comes_after_it(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await save(api, on_push())
    await send(api, push(1))
    await until_offered(pool)
    await save(api, on_push(input={"repository": "new"}), description="two")
    await send(api, push(2))
    await until_offered(pool)
    await save(api, description="three")
    await send(api, push(3))

    assert [len(each) for each in await reactions(api, pool)] == [1, 1, 0]
    assert [(run["version"], run["input"]["repository"]) for run in await runs(api)] == [
        (2, "new"),
        (1, "shop"),
    ]


async def test_an_event_that_is_offered_again_after_a_save_does_nothing_more(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool
) -> None:
    """Its reactions are those of one moment: the trigger that was the first would start a run as the second."""
    await save(api, on_push())
    await send(api, push(1))
    await until_offered(pool)
    await save(api, on_push(**{"if": "${{ false }}"}), on_push())

    await pool.execute("update inbound_event set offered = false, received_at = now() - interval '3 s'")
    await parts.inbox.repeat()

    assert await reactions(api, pool) == [[("watch", "event-1", "started")]]
    assert len(await runs(api)) == 1


async def test_another_project_hears_nothing(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await save(api, on_push())

    await api.post(
        "/events",
        content=msgspec.json.encode(push(1)),
        headers=STRUCTURED | {"x-penstock-project": "other"},
    )
    await until_offered(pool)

    assert await runs(api) == []


async def test_triggers_that_look_at_many_events_leave_others_their_turns(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, look_at = [0], triggering.look_at

    def counted(*given: Any) -> Any:
        looked[-1] += 1
        return look_at(*given)

    async def count_turns() -> None:
        while True:
            await asyncio.sleep(0)
            looked.append(0)

    monkeypatch.setattr(triggering, "look_at", counted)
    await save(api, on_push(**{"if": MAIN}))
    events = msgspec.json.encode([push(n, ref="other") for n in range(100)])
    turns = asyncio.create_task(count_turns())
    await api.post("/events", content=events, headers={"content-type": "application/cloudevents-batch+json"})
    async with asyncio.timeout(10):
        while sum(looked) < 100:
            await asyncio.sleep(0.01)
    turns.cancel()

    assert max(looked) <= 2


async def test_two_orchestrators_start_one_run_of_each_event(
    api: httpx.AsyncClient, parts: Parts, database: str, nats_server: Nats, tmp_path: Path, pool: asyncpg.Pool
) -> None:
    await save(api, on_push())
    async with (
        orchestrator(database, nats_server, tmp_path) as second,
        client_of(second.server.config.app) as other,  # type: ignore[arg-type]
    ):
        await asyncio.gather(*(send(client, push(id)) for id in range(20) for client in (api, other)))
        await until_offered(pool)
        # Both are offered all of it once more, as after the death of whoever had them in hand.
        await pool.execute("update inbound_event set offered = false, received_at = now() - interval '3 s'")
        events = await unoffered_events(pool)
        await asyncio.gather(parts.triggering(events), second.triggering(events[::-1]))

    assert len(events) == 20
    assert len(await runs(api)) == 20


async def test_an_event_whose_keeper_died_before_offering_it_starts_its_run(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool
) -> None:
    await save(api, on_push())
    await pool.execute(
        "insert into inbound_event (project, source, id, type, data, attributes, received_at)"
        " values ('default', '/git', '1', $1, '{\"clone\": \"shop\"}', '{}', now() - interval '3 s')",
        PUSH,
    )

    await parts.inbox.repeat()
    await pool.execute("update inbound_event set offered = false")
    await parts.inbox.repeat()

    assert await reactions(api, pool) == [[("watch", "event-1", "started")]]
    assert len(await runs(api)) == 1


async def test_what_was_written_and_not_started_is_started_by_a_sweep_once(
    api: httpx.AsyncClient, parts: Parts, database: str, nats_server: Nats, tmp_path: Path, pool: asyncpg.Pool
) -> None:
    """Whoever wrote that a run is due has died, before the start or right after it."""
    await save(api, on_push())
    await send(api, push(1))
    await until_offered(pool)
    await pool.execute(
        "insert into inbound_event (project, source, id, type, data, attributes, offered, decided)"
        " values ('default', '/git', '2', $1, '{}', '{}', true, true)",
        PUSH,
    )
    await pool.execute(
        "insert into event_reaction (event_seq, workflow, trigger, outcome, key, input, due_at)"
        " select seq, 'watch', 'event-1', 'due', 'penstock:event/2', '{\"repository\": \"late\"}', now()"
        " from inbound_event where id = '2'"
    )
    await pool.execute(
        "update event_reaction set outcome = 'due', run_id = null, due_at = now(), input = '{\"repository\": \"shop\"}'"
        " where outcome = 'started'"
    )

    async with orchestrator(database, nats_server, tmp_path) as second:
        await asyncio.gather(parts.triggering.start_due(), second.triggering.start_due())
        await parts.triggering.start_due()

    assert await reactions(api, pool) == [[("watch", "event-1", "started")]] * 2
    assert sorted(run["input"]["repository"] for run in await runs(api)) == ["late", "shop"]


async def test_events_beyond_the_rate_of_the_project_wait_and_are_not_lost(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool
) -> None:
    await save(api, on_push())
    await api.put("/limits/starts/default", json={"maximum": 1})
    await parts.engine.capacity.refresh()

    for id in range(3):
        await send(api, push(id))
    before = await reactions(api, pool)
    assert sorted(each[0][2] for each in before) == ["due", "due", "started"]
    waiting = (await api.get("/events")).json()["items"][0]["reactions"][0]
    assert "1 runs a second" in waiting["reason"]
    assert waiting["due_at"] is not None

    await api.delete("/limits/starts/default")
    await parts.engine.capacity.refresh()
    await pool.execute("update event_reaction set due_at = now() where outcome = 'due'")
    await parts.triggering.start_due()

    assert {each[0][2] for each in await reactions(api, pool)} == {"started"}
    assert len(await runs(api)) == 3


async def test_an_alert_starts_one_run_each_time_that_it_fires(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool
) -> None:
    await save(api, on_alert(**{"if": "${{ alert.labels.severity == 'high' }}"}))

    await alert(parts, id="1")
    await alert(parts, id="2")  # told again by an Alertmanager that was started anew, or by its twin
    await alert(parts, id="3", startsAt="2026-11-22T09:30:00Z")
    await alert(parts, id="4", labels={"alertname": "Other"})
    await alert(parts, id="5", fingerprint="ff", labels=ALERT["labels"] | {"severity": "low"})
    await alert(parts, id="6", status="resolved")

    started = [("watch", "alert-1", "started")]
    repeated = [("watch", "alert-1", "repeated")]
    assert await reactions(api, pool) == [started, repeated, started, [], [], []]
    first, second = await runs(api)
    assert first["input"] == second["input"] == {"repository": "shop"}
    assert first["started_by"] == "alert DependencyVulnerable"
    assert first["labels"]["alert"] == "DependencyVulnerable"


async def test_a_trigger_may_wait_for_an_alert_to_be_resolved(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool
) -> None:
    await save(api, on_alert(status="resolved"), on_alert())

    await alert(parts, id="1")
    await alert(parts, id="2", status="resolved", endsAt="2026-11-21T10:00:00Z")

    assert await reactions(api, pool) == [
        [("watch", "alert-2", "started")],
        [("watch", "alert-1", "started")],
    ]


async def test_nobody_may_make_up_an_alert(api: httpx.AsyncClient) -> None:
    event = push(1) | {"type": "penstock.alert.firing"}
    batch = {"content-type": "application/cloudevents-batch+json"}

    alone = await send(api, event)
    among = await api.post("/events", content=msgspec.json.encode([push(2), event]), headers=batch)

    assert (alone.status_code, among.status_code) == (422, 422)
    assert [error["path"] for error in alone.json()["errors"]] == ["type"]
    assert [error["path"] for error in among.json()["errors"]] == ["[1].type"]
    assert (await api.get("/events")).json()["items"] == []


async def test_a_node_that_takes_an_event_is_named_with_it(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool
) -> None:
    wait = {"name": "wait", "nodes": {"pushed": {"wait": {"event": PUSH}}}}
    assert (await api.post("/workflows", json=wait)).status_code == 201
    before = (await api.post("/runs", json={"workflow": "wait"})).json()["id"]

    await send(api, push(1))
    await until_offered(pool)
    after = (await api.post("/runs", json={"workflow": "wait"})).json()["id"]  # it looks back
    await parts.engine.effects.idle()

    (event,) = (await api.get("/events")).json()["items"]
    assert {(taker["run"], taker["node"]) for taker in event["taken_by"]} == {
        (before, "pushed"),
        (after, "pushed"),
    }
