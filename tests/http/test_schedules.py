"""Schedules through the API: seen before they are saved, then looked at, paused, resumed and run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.http.builders import GREET, START, YAML, save

NIGHTLY = f"""{GREET}
triggers:
  - schedule: {{cron: "30 2 * * *", timezone: Europe/Zurich, name: nightly, input: {{name: Ada}}}}
  - schedule: {{cron: "*/5 * * * *", overlap: queue, catch_up: all, input: {{name: Bob}}}}
"""
NIGHT = "/schedules/greet/nightly"


@pytest.fixture
async def scheduled(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client of a Penstock whose workflow `greet` has two schedules."""
    assert (await save(api, NIGHTLY)).status_code == 201
    return api


async def test_the_next_ten_times_are_shown_before_anything_is_saved(api: httpx.AsyncClient) -> None:
    answer = await api.post("/workflows/validate", content=NIGHTLY, headers=YAML)

    nightly, often = answer.json()["schedules"]
    assert (nightly["name"], often["name"]) == ("nightly", "schedule-2")
    moments = [datetime.fromisoformat(moment) for moment in nightly["next"]]
    assert len(moments) == 10
    assert moments == sorted(set(moments))
    assert moments[0] > datetime.now(UTC) - timedelta(minutes=1)
    assert {moment[11:16] for moment in nightly["next"]} <= {"02:30", "03:00"}  # 03:00 once a year
    assert (await api.get("/schedules")).json()["items"] == []


async def test_a_definition_with_an_error_has_no_times(api: httpx.AsyncClient) -> None:
    broken = NIGHTLY.replace("agent: greeter", "agnet: greeter")

    answer = await api.post("/workflows/validate", content=broken, headers=YAML)

    assert answer.json()["valid"] is False
    assert answer.json()["schedules"] == []


@pytest.mark.parametrize("line", ["0 0 30 2 *", "61 * * * *", "every day"])
async def test_a_line_that_never_ticks_is_refused(api: httpx.AsyncClient, line: str) -> None:
    answer = await save(api, NIGHTLY.replace("30 2 * * *", line))

    assert answer.status_code == 422
    (problem,) = [each for each in answer.json()["errors"] if each.get("severity") != "warning"]
    assert "cron" in problem["path"]
    assert problem["line"]
    assert (await api.get("/schedules")).json()["items"] == []


async def test_schedules_are_listed_by_name_in_pages(scheduled: httpx.AsyncClient) -> None:
    first = (await scheduled.get("/schedules", params={"limit": 1})).json()
    second = (await scheduled.get("/schedules", params={"limit": 1, "cursor": first["next"]})).json()
    other = (await scheduled.get("/schedules", params={"workflow": "other"})).json()

    names = [(item["workflow"], item["name"]) for page in (first, second) for item in page["items"]]
    assert names == [("greet", "nightly"), ("greet", "schedule-2")]
    assert second["next"] is None
    assert other["items"] == []
    often = second["items"][0]
    assert (often["timezone"], often["overlap"], often["catch_up"]) == ("UTC", "queue", "all")


async def test_one_schedule_tells_its_next_times_in_its_own_time_zone(scheduled: httpx.AsyncClient) -> None:
    night = (await scheduled.get(NIGHT)).json()

    assert night["input"] == {"name": "Ada"}
    assert night["ticks"] == []
    assert len(night["next"]) == 10
    assert datetime.fromisoformat(night["next_at"]) == datetime.fromisoformat(night["next"][0])
    assert {moment[-6:] for moment in night["next"]} <= {"+01:00", "+02:00"}


async def test_pause_and_resume_say_who_and_may_be_repeated(scheduled: httpx.AsyncClient) -> None:
    paused = (await scheduled.post(f"{NIGHT}/pause")).json()
    again = (await scheduled.post(f"{NIGHT}/pause")).json()
    resumed = (await scheduled.post(f"{NIGHT}/resume")).json()

    assert (paused["paused"], paused["paused_by"], paused["next_at"]) == (True, "api", None)
    assert again == paused | {"next": again["next"]}
    assert resumed["paused"] is False
    assert resumed["next_at"]


async def test_run_now_answers_with_the_run(scheduled: httpx.AsyncClient) -> None:
    answer = await scheduled.post(f"{NIGHT}/run")

    run: dict[str, Any] = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert (run["input"], run["labels"]) == ({"name": "Ada", "times": 2}, {"schedule": "nightly"})
    (tick,) = (await scheduled.get(NIGHT)).json()["ticks"]
    assert (tick["run_id"], tick["outcome"], tick["by"]) == (run["id"], "started", "api")


async def test_run_now_of_an_input_that_does_not_fit_says_what_is_wrong(api: httpx.AsyncClient) -> None:
    await save(api, NIGHTLY.replace("{name: Ada}", "{nmae: Ada}"))

    answer = await api.post(f"{NIGHT}/run")

    assert answer.status_code == 422
    assert any("nmae" in problem["path"] for problem in answer.json()["errors"])
    (tick,) = (await api.get(NIGHT)).json()["ticks"]
    assert tick["outcome"] == "refused"
    assert "nmae" in tick["reason"]


async def test_run_now_of_an_inactive_workflow_is_a_conflict(scheduled: httpx.AsyncClient) -> None:
    await scheduled.post("/workflows/greet/deactivate")

    answer = await scheduled.post(f"{NIGHT}/run")

    assert answer.status_code == 409
    assert (await scheduled.get(NIGHT)).json()["next_at"] is None


@pytest.mark.parametrize("tail", ["", "/pause", "/resume", "/run"])
async def test_an_unknown_schedule_is_answered_with_the_nearest(
    scheduled: httpx.AsyncClient, tail: str
) -> None:
    answer = await scheduled.request("POST" if tail else "GET", f"/schedules/greet/nigthly{tail}")
    elsewhere = await scheduled.request("POST" if tail else "GET", f"/schedules/gret/nightly{tail}")

    assert (answer.status_code, elsewhere.status_code) == (404, 404)
    assert "did you mean 'nightly'" in answer.json()["detail"]
    assert "did you mean 'greet'" in elsewhere.json()["detail"]


async def test_the_ticks_keys_are_not_for_clients(scheduled: httpx.AsyncClient) -> None:
    mine = "penstock:schedule/greet/nightly/2026-11-22T01:30:00Z"

    answer = await scheduled.post("/runs", json=START | {"idempotency_key": mine})

    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["path"] == "idempotency_key"
    assert "penstock:" in problem["message"]


async def test_odd_names_and_cursors_are_refused_not_failed(scheduled: httpx.AsyncClient) -> None:
    for path in ("/schedules/%00/%00", "/schedules/greet/%00", "/schedules/a%00/b"):
        assert (await scheduled.get(path)).status_code == 404
        assert (await scheduled.post(f"{path}/run")).status_code == 404
        assert (await scheduled.post(f"{path}/pause")).status_code == 404
    assert (await scheduled.get("/schedules", params={"cursor": "x"})).status_code == 422
    assert (await scheduled.get("/schedules", params={"worklfow": "x"})).status_code == 422
