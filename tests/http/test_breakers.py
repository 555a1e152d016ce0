"""Circuit breakers through their door: listed, opened, closed, reset, and every change with who and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.http.builders import Rows, as_json

LLM = "dependency/llm-provider"
SOON = datetime.now(UTC) + timedelta(hours=1)


async def change(api: httpx.AsyncClient, verb: str, key: str = LLM, **body: Any) -> Any:
    answer = await api.request("PUT" if verb == "policy" else "POST", f"/breakers/{key}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def hold(rows: Rows, names: list[str], *, key: str = LLM, project: str = "default") -> None:
    """Nodes that wait for the breaker for another hour."""
    run = await rows.run(project=project)
    detail = as_json({"type": "held", "code": "breaker_open", "key": key, "sentence": "is open"})
    for name in names:
        await rows.node(run, name, "suspended", detail=detail, wake_at=SOON)


async def test_a_person_opens_a_dependency_for_a_while(api: httpx.AsyncClient) -> None:
    opened = await change(api, "open", **{"for": "10m", "by": "ann", "reason": "maintenance"})

    lasts = datetime.fromisoformat(opened["open_until"]) - datetime.fromisoformat(opened["opened_at"])
    assert (opened["state"], lasts) == ("open", timedelta(minutes=10))
    assert opened["changed_by"] == "ann"
    (event,) = opened["events"]
    assert event | {"at": ""} == {
        "at": "",
        "from_state": "closed",
        "to_state": "open",
        "by": "ann",
        "reason": "maintenance",
    }


async def test_without_a_time_it_stays_open_until_it_is_closed(api: httpx.AsyncClient) -> None:
    opened = await change(api, "open")
    closed = await change(api, "close", by="ben", reason="it is back")

    assert (opened["state"], opened["open_until"]) == ("open", None)
    assert (closed["state"], closed["opened_at"]) == ("closed", None)
    assert [(event["to_state"], event["by"]) for event in closed["events"]] == [
        ("closed", "ben"),
        ("open", "api"),
    ]


async def test_breakers_are_listed_by_key_and_state_with_whom_they_hold(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    await change(greet, "open")
    await change(greet, "policy", "dependency/crm")
    await hold(rows, ["a", "b", "c"])
    await hold(rows, ["a"], project="other")

    every = (await greet.get("/breakers")).json()["items"]
    open_ones = (await greet.get("/breakers", params={"state": "open"})).json()["items"]

    assert [(each["key"], each["state"], each["waiting"]) for each in every] == [
        ("dependency/crm", "closed", 0),
        (LLM, "open", 3),
    ]
    assert [each["key"] for each in open_ones] == [LLM]


async def test_closing_releases_what_waited_in_growing_steps(greet: httpx.AsyncClient, rows: Rows) -> None:
    await change(greet, "open")
    await hold(rows, [f"n{number}" for number in range(8)])
    await hold(rows, ["other"], key="dependency/crm")

    await change(greet, "close")

    found = await rows.connection.fetch("select name, wake_at, now() as now from node order by wake_at, name")
    seconds = [round((row["wake_at"] - row["now"]).total_seconds()) for row in found]
    assert [row["name"] for row in found] == [*(f"n{number}" for number in range(8)), "other"]
    assert seconds[:8] == [0, 1, 1, 2, 2, 2, 2, 3]
    assert seconds[8] > 3_000


async def test_a_policy_of_the_project_stays_until_the_reset(api: httpx.AsyncClient) -> None:
    changed = await change(api, "policy", failures=2, minimum=3, cooldown="5m", window="30s", by="ann")
    await change(api, "open")
    closed = await change(api, "close")
    reset = await change(api, "reset")

    assert changed["policy"] == {"failures": 2, "minimum": 3, "cooldown_s": 300.0, "window_s": 30.0}
    assert changed["events"][0]["by"] == "ann"
    assert closed["policy"] == changed["policy"]
    assert reset["policy"] == {"failures": 5, "minimum": 5, "cooldown_s": 60.0, "window_s": 60.0}


async def test_an_unknown_breaker_names_the_nearest(api: httpx.AsyncClient) -> None:
    await change(api, "open")

    for answer in (
        await api.get("/breakers/dependency/llm-provder"),
        await api.post("/breakers/dependency/llm-provder/close"),
    ):
        assert answer.status_code == 404
        assert f"did you mean '{LLM}'" in answer.json()["detail"]
    assert (await api.post("/breakers/workflow/greet/hello/open")).status_code == 404
    assert (await api.post("/breakers/dependency/Not-A-Name/open")).status_code == 404


async def test_a_key_may_be_percent_encoded_and_belongs_to_one_project(api: httpx.AsyncClient) -> None:
    await change(api, "open", LLM.replace("/", "%2F"))

    assert (await api.get(f"/breakers/{LLM.replace('/', '%2F')}")).json()["key"] == LLM
    assert (await api.get(f"/breakers/{LLM}", headers={"X-Penstock-Project": "other"})).status_code == 404


async def test_what_cannot_be_is_refused_with_what_was_expected(api: httpx.AsyncClient) -> None:
    async def errors(verb: str, key: str = LLM, **body: Any) -> Any:
        answer = await api.request(
            "PUT" if verb == "policy" else "POST", f"/breakers/{key}/{verb}", json=body
        )
        assert answer.status_code == 422, answer.text
        return [(error["path"], error["message"]) for error in answer.json()["errors"]]

    (soon,) = await errors("open", **{"for": "soon"})
    assert soon[0] == "for"
    assert "90s" in soon[1]
    ((path, message),) = await errors("open", **{"fro": "10m"})
    assert (path, "did you mean 'for'" in message) == ("fro", True)
    ((path, _),) = await errors("policy", failures=0)
    assert path == "failures"
    ((path, message),) = await errors("policy", "workflow/greet/hello")
    assert (path, "definition" in message) == ("key", True)
