"""A store from inside sandboxes: written, over a failed attempt too, read by the next run, undone by compensation."""

from typing import Any

import pytest

from tests.e2e.conftest import Api

LEDGER = {
    "name": "ledger",
    "tables": {
        "accounts": {
            "row": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "balance": {"type": "number"}},
            }
        }
    },
}


@pytest.fixture
async def books(api: Api) -> Api:
    """An API whose store has two accounts."""
    saved = await api.client.put("/api/v1/stores/ledger", json=LEDGER)
    assert saved.status_code in (200, 201), saved.text
    for row in await rows(api):
        await api.client.delete(f"/api/v1/stores/ledger/accounts/{row}")
    for name, balance in (("ada", 5), ("bob", 50)):
        body = {"value": {"name": name, "balance": balance}, "by": "test"}
        assert (await api.client.put(f"/api/v1/stores/ledger/accounts/{name}", json=body)).is_success
    return api


async def rows(api: Api) -> dict[str, Any]:
    page = await api.get("/stores/ledger/accounts")
    return {row["key"]: row["value"].get("balance") for row in page["items"]}


def ledger(**given: Any) -> dict[str, Any]:
    keys = ("compensate", "needs", "retry", "run_if")
    own = {key: given.pop(key) for key in keys if key in given}
    return {"agent": "ledger", "with": given, "retry": "none", **own}


async def test_compensation_undoes_exactly_what_each_node_wrote(books: Api) -> None:
    """The first node's first attempt fails after its write; the second node writes a row of the first again."""
    undo = {"agent": "ledger", "with": {"undo": True}}
    again = {"attempts": 2, "delay": "10ms"}
    document = {
        "name": "booking",
        "on_failure": "compensate",
        "nodes": {
            "first": ledger(
                book={"ada": {"balance": 20}, "new": {"balance": 1}}, fail=True, retry=again, compensate=undo
            ),
            "second": ledger(book={"ada": {"balance": 30}}, close=["bob"], needs=["first"], compensate=undo),
            "last": ledger(fail=True, needs=["second"]),
        },
    }

    run = await books.run(document)
    first = await books.get(f"/runs/{run['id']}/nodes/first")
    undone = [(await books.get(f"/runs/{run['id']}/nodes/{n}:undo"))["output"] for n in ("second", "first")]

    assert run["state"] == "compensated"
    assert first["attempt"] == 2
    assert first["output"] == {"versions": 2, "rich": ["ada", "bob"], "none": None}
    assert [each["undone"] for each in undone] == [
        {"restored": 2, "deleted": 0, "undone_before": 0},
        {"restored": 1, "deleted": 1, "undone_before": 0},
    ]
    assert await rows(books) == {"ada": 5, "bob": 50}


async def test_refusals_say_what_to_change(books: Api) -> None:
    wrongs = ("store", "row", "version", "question", "table")
    document = {"name": "refused", "nodes": {wrong: ledger(wrong=wrong) for wrong in wrongs}}

    run = await books.run(document)

    told = {node["name"]: node["output"]["error"] for node in run["nodes"]}
    assert told["store"].startswith("NotAllowed: ")
    assert "does not name 'leger'; did you mean 'ledger'?" in told["store"]
    assert told["row"].startswith("Invalid: ")
    assert "'name' is missing" in told["row"]
    assert "unknown property 'nam'" in told["row"]
    assert told["version"].startswith("Conflict: ")
    assert "accounts/ada: expected version 0, but it has version" in told["version"]
    assert "did you mean 'balance'?" in told["question"]
    assert "did you mean 'accounts'?" in told["table"]
    assert await rows(books) == {"ada": 5, "bob": 50}
