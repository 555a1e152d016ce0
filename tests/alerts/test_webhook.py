"""Alertmanager's webhook: what is valid is stored before it is answered, what is not gets a clear 4xx."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from notifier.alerts.intake import IN_FLIGHT_MAX
from notifier.alerts.payload import PAYLOAD_BYTES_MAX, read_group
from notifier.alerts.sources import read_sources
from notifier.main import Parts
from notifier.store.alerts import Alerts
from tests.alerts.builders import CONFIG, OTHER_TOKEN, alert, bearer, payload, resolved


async def listed(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await api.get("/alerts", params=query)).json()["items"]
    return items


async def test_an_alert_is_stored_with_the_project_of_its_source(api: httpx.AsyncClient) -> None:
    answer = await api.post("/alertmanager", json=payload(alert()))

    (stored,) = await listed(api)
    assert (answer.status_code, answer.json()) == (200, {"stored": 1, "repeated": 0})
    assert (stored["source"], stored["project"], stored["name"]) == ("production", "shop", "LlmDown")
    assert (stored["status"], stored["ends_at"], stored["times"]) == ("firing", None, 1)
    assert stored["labels"] == {"alertname": "LlmDown", "severity": "page"}


async def test_the_token_decides_the_source(api: httpx.AsyncClient) -> None:
    await api.post("/alertmanager", json=payload(alert()), headers=bearer(OTHER_TOKEN))

    (stored,) = await listed(api, source="staging")
    assert stored["project"] == "default"
    assert await listed(api, source="production") == []


@pytest.mark.parametrize(("label", "project"), [("bank", "bank"), ("No Project", "shop"), ("", "shop")])
async def test_a_label_may_name_the_project(api: httpx.AsyncClient, label: str, project: str) -> None:
    await api.post("/alertmanager", json=payload(alert(labels={"alertname": "X", "project": label})))

    assert [each["project"] for each in await listed(api)] == [project]


async def test_a_repetition_changes_nothing_and_is_counted(api: httpx.AsyncClient) -> None:
    sent = payload(alert("A"), alert("B"))
    await api.post("/alertmanager", json=sent)

    again = await api.post("/alertmanager", json=sent)
    more = await api.post("/alertmanager", json=payload(alert("B"), alert("C"), alert("C")))

    assert (again.json(), more.json()) == ({"stored": 0, "repeated": 2}, {"stored": 1, "repeated": 2})
    assert {each["name"]: each["times"] for each in await listed(api)} == {"A": 2, "B": 3, "C": 2}


async def test_each_part_of_the_identity_tells_alerts_apart(api: httpx.AsyncClient) -> None:
    await api.post("/alertmanager", json=payload(alert()))

    for other in (
        payload(alert(), groupKey="another"),
        payload(alert(fingerprint="another")),
        payload(alert(startsAt="2026-11-21T09:31:00Z")),
        payload(resolved()),
    ):
        assert (await api.post("/alertmanager", json=other)).json() == {"stored": 1, "repeated": 0}


async def test_notifications_at_the_same_instant_are_stored_once(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    answers = await asyncio.gather(*(api.post("/alertmanager", json=payload(alert())) for _ in range(8)))

    assert sorted(answer.json()["stored"] for answer in answers) == [0] * 7 + [1]
    assert await pool.fetchval("select times from alert") == 8


async def test_two_notifiers_store_an_alert_once(pool: asyncpg.Pool) -> None:
    (source, _) = read_sources(CONFIG["alertmanagers"], folder=Path())
    notifiers = Alerts(pool), Alerts(pool)

    for number in range(20):
        group = read_group(json.dumps(payload(alert(fingerprint=f"{number}"))).encode())
        taken = await asyncio.gather(*(each.take(source, group) for each in notifiers))
        assert [sum(each.stored.get("firing", 0) for each in taken)] == [1]


GROUPS = {
    "500 alerts": payload(*(alert(f"Alert{number}") for number in range(500))),
    "unknown fields": payload(alert(new={"a": [1]}), notification_reason="x", later={"deep": [None]}),
    "no alerts": payload(),
    "null for what is empty": payload(alert(annotations=None), groupLabels=None, commonLabels=None),
    "null alerts": payload() | {"alerts": None},
    "resolve before fire": payload(resolved()),
    "no end": payload(resolved(endsAt="0001-01-01T00:00:00Z")),
    "left out": payload(alert(), truncatedAlerts=2**64 - 1),
    "unicode": payload(alert(labels={"alertname": "Überlauf 🚰", "ﷺ": "\u0000"}), groupKey="\u0000\u2028"),
    "large annotations": payload(alert(annotations={"text": "ä" * 1_500_000})),
    "no name": payload(alert(labels={})),
    "only what is needed": {
        "version": "4",
        "groupKey": "",
        "status": "firing",
        "alerts": [
            {"status": "firing", "labels": {}, "startsAt": "0001-01-01T00:00:00Z", "fingerprint": "f"},
            {"status": "resolved", "labels": {}, "startsAt": "9999-12-31T23:59:59Z", "fingerprint": "f"},
        ],
    },
}


@pytest.mark.parametrize("sent", GROUPS.values(), ids=GROUPS)
async def test_every_valid_webhook_is_taken(api: httpx.AsyncClient, sent: dict[str, Any]) -> None:
    answer = await api.post("/alertmanager", json=sent)

    count = len({json.dumps(each) for each in sent["alerts"] or []})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"stored": count, "repeated": 0}
    assert len(await listed(api, limit=200)) == min(count, 200)


WRONG = {
    "version": (payload(alert(), version="3"), "version"),
    "no version": ({"groupKey": "", "status": "firing", "alerts": []}, "version"),
    "no alerts": ({"version": "4", "groupKey": "", "status": "firing"}, "alerts"),
    "alerts": (payload() | {"alerts": {}}, "alerts"),
    "an alert": (payload() | {"alerts": [alert(), 7]}, "alerts[1]"),
    "status": (payload(alert(status="pending")), "alerts[0].status"),
    "labels": (payload(alert(labels={"alertname": 7})), "alerts[0].labels"),
    "start": (payload(alert(startsAt="yesterday")), "alerts[0].startsAt"),
    "zone": (payload(alert(startsAt="2026-11-21T09:30:00")), "alerts[0].startsAt"),
    "range": (payload(alert(startsAt="0001-01-01T00:00:00+01:00")), "alerts[0].startsAt"),
    "fingerprint": (payload(alert(fingerprint="")), "alerts[0].fingerprint"),
    "long": (payload(alert(fingerprint="f" * 257)), "alerts[0].fingerprint"),
    "object": ([], ""),
}


async def test_a_wrong_webhook_is_refused_with_the_place(api: httpx.AsyncClient) -> None:
    for name, (sent, path) in WRONG.items():
        answer = await api.post("/alertmanager", json=sent)

        assert answer.status_code == 422, f"{name}: {answer.text}"
        assert [problem["path"] for problem in answer.json()["errors"]] == [path], name
    assert await listed(api) == []


async def test_all_that_is_wrong_is_told_at_once(api: httpx.AsyncClient) -> None:
    sent = payload(alert(status="x"), alert(startsAt=1), version=4)

    problems = (await api.post("/alertmanager", json=sent)).json()["errors"]

    assert [each["path"] for each in problems] == ["version", "alerts[0].status", "alerts[1].startsAt"]


async def test_what_cannot_be_read_is_refused(api: httpx.AsyncClient) -> None:
    def send(body: bytes, **headers: str) -> Any:
        return api.post("/alertmanager", content=body, headers=headers)

    assert (await send(b"{")).status_code == 400
    assert (await send(b"\xff")).status_code == 400
    assert (await send(b"")).status_code == 400
    assert (await send(b"[" * 100_000)).status_code == 400
    assert (await send(b"x", **{"content-type": "text/plain"})).status_code == 415
    assert (await send(b" " * (PAYLOAD_BYTES_MAX + 1))).status_code == 413
    many = [alert(annotations={}, labels={}, generatorURL="")] * 10_001
    assert (await api.post("/alertmanager", json=payload(*many))).status_code == 413
    assert (await api.get("/alertmanager")).status_code == 405


async def test_without_a_token_of_a_source_nothing_is_taken(api: httpx.AsyncClient) -> None:
    for token in ("", "Bearer", "Bearer wrong", "Basic YTpi", "Bearer ä", "bearer \xff"):
        headers = {b"authorization": token.encode("latin-1")}

        answer = await api.post("/alertmanager", json=payload(alert()), headers=headers)

        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="penstock"')
        assert answer.headers["content-type"] == "application/problem+json"
    assert await listed(api) == []


async def test_too_many_at_once_are_told_to_come_again(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table alert in access exclusive mode")  # the first ones wait here
        sent = [
            asyncio.create_task(api.post("/alertmanager", json=payload(alert())))
            for _ in range(IN_FLIGHT_MAX + 3)
        ]
        done, waiting = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 3:
            done, waiting = await asyncio.wait(sent, timeout=0.01)
    refused = [task.result() for task in done]
    await asyncio.wait(waiting)

    assert [(answer.status_code, answer.headers["retry-after"]) for answer in refused] == [(503, "2")] * 3
    assert {task.result().status_code for task in waiting} == {200}


async def test_without_the_database_they_are_told_to_come_again(
    api: httpx.AsyncClient, parts: Parts, pool: asyncpg.Pool
) -> None:
    await pool.execute("alter table alert rename to away")  # not even an error that anybody foresaw is a 500

    answer = await api.post("/alertmanager", json=payload(alert()))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "away" not in answer.text
    await pool.execute("alter table away rename to alert")
    assert (await api.post("/alertmanager", json=payload(alert()))).json() == {"stored": 1, "repeated": 0}


async def test_alerts_are_listed_in_pages(api: httpx.AsyncClient) -> None:
    await api.post(
        "/alertmanager", json=payload(*(alert(f"A{number}") for number in range(5)), resolved("R"))
    )

    first = (await api.get("/alerts", params={"status": "firing", "limit": 3})).json()
    second = (
        await api.get("/alerts", params={"status": "firing", "limit": 3, "cursor": first["next"]})
    ).json()

    assert [each["name"] for each in first["items"] + second["items"]] == ["A4", "A3", "A2", "A1", "A0"]
    assert second["next"] is None
    assert (await api.get("/alerts", params={"status": "broken"})).status_code == 422
    assert (await api.get("/alerts", params={"cursor": "x"})).status_code == 422


async def test_the_openapi_page_tells_of_the_webhook(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()

    operation = document["paths"]["/api/v1/alertmanager"]["post"]
    assert {"200", "400", "401", "413", "415", "422", "503"} == set(operation["responses"])
