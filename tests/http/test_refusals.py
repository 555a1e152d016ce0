"""What bad input gets: the right status, the field, the nearest valid name, and a request id."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from penstock.contracts.limits import REQUEST_BODY_BYTES_MAX
from tests.http.builders import GREET, START, YAML, Rows

UNKNOWN_RUN = "01890000-0000-7000-8000-000000000001"


def problems_of(answer: httpx.Response) -> str:
    return " | ".join(f"{error['path']}: {error['message']}" for error in answer.json()["errors"])


@pytest.mark.parametrize(
    ("method", "path", "nearest"),
    [
        ("GET", "/workflows/gret", "did you mean 'greet'?"),
        ("GET", "/workflows/gret/versions/1", "did you mean 'greet'?"),
        ("GET", "/workflows/greet/versions/2", "there is only version 1"),
        ("GET", "/workflows/greet/versions/latest", "greet/latest"),
        ("GET", "/workflows/greet/versions/99999999999999999999", ""),
        ("POST", "/workflows/gret/activate", "did you mean 'greet'?"),
        ("GET", f"/runs/{UNKNOWN_RUN}", UNKNOWN_RUN),
        ("GET", "/runs/seven", "seven"),
        ("POST", f"/runs/{UNKNOWN_RUN}/cancel", UNKNOWN_RUN),
        ("POST", f"/runs/{UNKNOWN_RUN}/retry", UNKNOWN_RUN),
        ("GET", f"/runs/{UNKNOWN_RUN}/events", UNKNOWN_RUN),
        ("GET", f"/runs/{UNKNOWN_RUN}/explain", UNKNOWN_RUN),
        ("GET", "/workflows/a%00b", ""),
        ("GET", "/no/such/path", "openapi.json"),
    ],
)
async def test_what_does_not_exist_is_404_and_names_the_nearest(
    greet: httpx.AsyncClient, method: str, path: str, nearest: str
) -> None:
    answer = await greet.request(method, path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert nearest in answer.json()["detail"]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"workflow": "gret"}, "did you mean 'greet'?"),
        ({"workflow": "greet", "version": 7}, "greet/7"),
    ],
)
async def test_starting_an_unknown_workflow_or_version_is_404(
    greet: httpx.AsyncClient, rows: Rows, body: dict[str, Any], said: str
) -> None:
    answer = await greet.post("/runs", json=body | {"input": {"name": "Ada"}})

    assert answer.status_code == 404
    assert said in answer.json()["detail"]
    assert await rows.count("run") == 0


async def test_every_wrong_field_of_a_body_is_named_at_once(greet: httpx.AsyncClient) -> None:
    body = {"wrokflow": "greet", "version": 0, "priority": "high", "labels": {"a": 1}, "idempotency_key": ""}

    answer = await greet.post("/runs", json=body)

    assert answer.status_code == 422
    problems = problems_of(answer)
    assert "wrokflow: unknown field; did you mean 'workflow'?" in problems
    assert "workflow: is missing" in problems
    for field in ("version", "priority", "labels", "idempotency_key"):
        assert f"{field}: expected" in problems


async def test_every_wrong_parameter_of_a_query_is_named_at_once(greet: httpx.AsyncClient) -> None:
    answer = await greet.get("/runs?limt=3&limit=201&state=runing&after_time=yesterday&workflow=a&workflow=b")

    assert answer.status_code == 422
    problems = problems_of(answer)
    assert "limt: no such parameter; did you mean 'limit'?" in problems
    assert "limit: expected" in problems
    assert "state: invalid enum value 'runing'" in problems
    assert (
        "expected one of queued, running, paused, cancelling, compensating, succeeded, failed, cancelled,"
        " compensated; did you mean 'running'?" in problems
    )
    assert "after_time: " in problems
    assert "workflow: given more than once" in problems


@pytest.mark.parametrize(
    "query",
    [
        "cursor=abc",
        "cursor=bnVsbA",
        "label=nocolon",
        "after_time=0001-01-01T00:00:00%2B14:00",
        "workflow=%00",
    ],
)
async def test_a_wrong_value_is_422(greet: httpx.AsyncClient, query: str) -> None:
    answer = await greet.get(f"/runs?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == query.partition("=")[0]


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"workflow": "greet",}', b"[" * 100_000, b"nul"])
async def test_malformed_json_is_400(greet: httpx.AsyncClient, body: bytes) -> None:
    answer = await greet.post("/runs", content=body)

    assert answer.status_code == 400
    assert "not JSON" in answer.json()["detail"]


@pytest.mark.parametrize("input", [b'"\xff"', b'"\\ud800"', b"1e999"])
async def test_an_input_that_json_cannot_carry_is_refused(greet: httpx.AsyncClient, input: bytes) -> None:
    body = b'{"workflow": "greet", "idempotency_key": "k", "input": {"name": ' + input + b"}}"

    assert (await greet.post("/runs", content=body)).status_code in (400, 422)


@pytest.mark.parametrize(
    "path", ["/runs", "/workflows", "/workflows/validate", f"/runs/{UNKNOWN_RUN}/cancel"]
)
async def test_a_body_above_its_limit_is_413(api: httpx.AsyncClient, path: str) -> None:
    large = b" " * (REQUEST_BODY_BYTES_MAX + 1)

    async def unannounced() -> Any:
        yield large

    announced = await api.post(path, content=large)
    streamed = await api.post(path, content=unannounced())

    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert str(REQUEST_BODY_BYTES_MAX) in announced.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/runs", f"/runs/{UNKNOWN_RUN}/cancel", "/workflows", "/workflows/greet/activate"]
)
async def test_a_parameter_that_an_order_does_not_know_is_refused(
    greet: httpx.AsyncClient, path: str
) -> None:
    answer = await greet.post(f"{path}?dry_run=1", json=START)

    assert answer.status_code == 422
    assert "dry_run: no such parameter" in problems_of(answer)


async def test_an_unknown_content_type_is_415(api: httpx.AsyncClient) -> None:
    answer = await api.post("/workflows", content=GREET, headers={"content-type": "application/xml"})

    assert answer.status_code == 415
    assert "application/yaml" in answer.json()["detail"]


async def test_a_definition_sent_as_json_must_be_json(api: httpx.AsyncClient) -> None:
    answer = await api.post("/workflows", content=GREET, headers={"content-type": "application/json"})

    assert answer.status_code == 400


async def test_a_wrong_method_is_405_with_the_allowed_ones(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/runs")

    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "allow" in answer.headers


@pytest.mark.parametrize("project", ["Red", "a b", "x" * 64, ""])
async def test_a_project_that_is_no_name_is_422(greet: httpx.AsyncClient, project: str) -> None:
    answer = await greet.post("/runs", json=START, headers={"X-Penstock-Project": project})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "X-Penstock-Project"


async def test_a_good_request_id_is_kept_and_a_bad_one_replaced(api: httpx.AsyncClient) -> None:
    kept = await api.get("/workflows", headers={"X-Request-Id": "trace-7"})
    replaced = await api.get("/workflows", headers={"X-Request-Id": "<script>"})

    assert kept.headers["x-request-id"] == "trace-7"
    assert "<" not in replaced.headers["x-request-id"]


async def test_an_internal_error_shows_no_stack_and_leaves_one_in_the_log(
    greet: httpx.AsyncClient, app: FastAPI, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = await rows.run(labels="[1]")  # what no code of ours writes

    answer = await greet.get(f"/runs/{run_id}", headers={"X-Request-Id": "trace-8"})
    del app

    assert answer.status_code == 500
    assert "trace-8" in answer.json()["detail"]
    assert "Traceback" not in answer.text
    assert "labels" not in answer.text
    logged = "".join(capsys.readouterr())
    assert "http.internal_error" in logged
    assert "trace-8" in logged
    assert "Traceback" in logged


async def test_yaml_that_is_no_definition_is_422(api: httpx.AsyncClient) -> None:
    for text in ("", "just words", "- a list", "a: [1", "\x00", "&a [*a]"):
        answer = await api.post("/workflows", content=text, headers=YAML)
        assert answer.status_code == 422, text
        assert answer.json()["errors"], text
