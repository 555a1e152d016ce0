"""Stores over HTTP: saved with all problems told, rows asked for, put and deleted by hand."""

from typing import Any

import httpx
import pytest

STORE = """
name: worklog
description: What was worked on
tables:
  entries:
    row:
      type: object
      required: [user]
      additionalProperties: false
      properties: {user: {type: string}, hours: {type: number}}
"""
YAML = {"content-type": "application/yaml"}


@pytest.fixture
async def worklog(api: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await api.put("/stores/worklog", content=STORE, headers=YAML)).status_code == 201
    return api


async def fill(api: httpx.AsyncClient, **hours: float) -> None:
    for key, value in hours.items():
        body = {"value": {"user": "ada" if value < 5 else "bob", "hours": value}, "by": "eve"}
        assert (await api.put(f"/stores/worklog/entries/{key}", json=body)).status_code == 200


async def test_a_store_is_saved_and_seen(worklog: httpx.AsyncClient) -> None:
    again = await worklog.put("/stores/worklog", content=STORE, headers=YAML)
    await fill(worklog, a=1)

    listed = (await worklog.get("/stores")).json()["items"]
    (table,) = (await worklog.get("/stores/worklog")).json()["tables"]

    assert again.status_code == 200
    assert [(store["name"], store["tables"], store["rows"]) for store in listed] == [
        ("worklog", ["entries"], 1)
    ]
    assert (table["rows"], table["row"]["required"]) == (1, ["user"])


async def test_all_problems_of_a_store_are_told_with_their_lines(api: httpx.AsyncClient) -> None:
    text = "nam: x\ntables:\n  Entries: {row: {type: objekt}}\n  a: {row: {type: string}}\n  b: {rows: 1}\n"

    answer = await api.put("/stores/worklog", content=text, headers=YAML)

    assert answer.status_code == 422
    problems = {(problem["path"], problem.get("line")) for problem in answer.json()["errors"]}
    assert {path for path, _ in problems} >= {
        "nam",
        "tables.Entries",
        "tables.a.row",
        "tables.b.rows",
        "tables.b",
    }
    assert ("nam", 1) in problems


async def test_rows_are_asked_for(worklog: httpx.AsyncClient) -> None:
    await fill(worklog, a=1, b=10, c=2.5, d=9)

    async def keys(**query: Any) -> list[str]:
        answer = await worklog.get("/stores/worklog/entries", params=query)
        assert answer.status_code == 200, answer.text
        return [row["key"] for row in answer.json()["items"]]

    assert await keys(where="user=ada") == ["a", "c"]
    assert await keys(where=["hours>=2.5", "hours<10"]) == ["c", "d"]
    assert await keys(where="hours=[1,9]") == ["a", "d"]
    assert await keys(where="user^=b", order="hours", descending=True) == ["b", "d"]
    assert await keys(where="$key>b") == ["c", "d"]


async def test_pages_go_on_with_the_cursor(worklog: httpx.AsyncClient) -> None:
    await fill(worklog, a=1, b=10, c=2.5)
    first = (await worklog.get("/stores/worklog/entries", params={"limit": 2, "order": "hours"})).json()

    query = {"limit": 2, "order": "hours", "cursor": first["next"]}
    second = (await worklog.get("/stores/worklog/entries", params=query)).json()

    assert [row["key"] for page in (first, second) for row in page["items"]] == ["a", "c", "b"]
    assert second["next"] is None


async def test_a_row_is_put_read_and_deleted_by_hand(worklog: httpx.AsyncClient) -> None:
    path = "/stores/worklog/entries/2026%2Fada"
    put = (await worklog.put(path, json={"value": {"user": "ada"}, "by": "eve"})).json()
    stale = await worklog.put(path, json={"value": {"user": "bob"}, "version": put["version"] + 1})
    read = (await worklog.get(path)).json()
    gone = await worklog.delete(path, params={"by": "eve"})

    assert (read["key"], read["value"], read["by"]) == ("2026/ada", {"user": "ada"}, "eve")
    assert stale.status_code == 409
    assert f"it has version {put['version']} now" in stale.json()["detail"]
    assert gone.status_code == 204
    assert (await worklog.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/stores/worklgo", 404, "did you mean 'worklog'"),
        ("GET", "/stores/No%00", 404, "no store"),
        ("GET", "/stores/worklog/entrys", 404, "did you mean 'entries'"),
        ("GET", "/stores/worklog/entries/%00", 404, "no row"),
        ("GET", "/stores/worklog/entries?where=usr%3Dada", 422, "did you mean 'user'"),
        ("GET", "/stores/worklog/entries?where=user", 422, "expected FIELD=VALUE"),
        ("GET", "/stores/worklog/entries?where=user%3D%7B%7D", 422, "expects"),
        ("GET", "/stores/worklog/entries?where=user%3D%22%5Cu0000%22", 422, "U+0000"),
        ("GET", "/stores/worklog/entries?cursor=x", 422, "cursor"),
        ("GET", "/stores/worklog/entries?order=hour", 422, "did you mean 'hours'"),
        ("DELETE", "/stores/worklog/entries/nobody", 404, "no row"),
    ],
)
async def test_what_is_wrong_is_told(
    worklog: httpx.AsyncClient, method: str, path: str, status: int, told: str
) -> None:
    answer = await worklog.request(method, path)

    assert (answer.status_code, told in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    "value", ['"text"', "[]", "1e400", '{"user": "\\ud800"}', '{"user": "\\u0000"}', "{"]
)
async def test_a_value_that_is_no_row_is_refused(worklog: httpx.AsyncClient, value: str) -> None:
    answer = await worklog.put("/stores/worklog/entries/a", content=f'{{"value": {value}}}')

    assert answer.status_code in (400, 422), answer.text
