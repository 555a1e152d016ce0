"""How long runs are kept, and deleting them, as a client asks for it."""

from datetime import UTC, datetime

import httpx
import pytest

from tests.http.builders import Rows, seconds

DAY = seconds(24 * 3600)
OTHER = {"X-Penstock-Project": "other"}


async def old_run(rows: Rows, **fields: object) -> None:
    at = datetime.now(UTC) - 10 * DAY
    await rows.run(state="succeeded", created_at=at, ended_at=at, settled=True, published=1, **fields)


async def test_a_project_keeps_30_days_until_it_says_otherwise(api: httpx.AsyncClient) -> None:
    before = (await api.get("/retention")).json()
    put = await api.put("/retention", json={"retention": "7d12h"})

    assert before == {"project": "default", "retention": "30d", "is_default": True}
    assert put.status_code == 200
    assert (await api.get("/retention")).json() == {
        "project": "default",
        "retention": "7d12h",
        "is_default": False,
    }
    assert (await api.get("/retention", headers=OTHER)).json()["is_default"]


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({"retention": "soon"}, "retention", "expected a duration like"),
        ({"retention": "1m"}, "retention", "between 1h and 3650d, got '1m'"),
        ({"retention": "4000d"}, "retention", "between 1h and 3650d"),
        ({"retention": 30}, "retention", "expected `str`"),
        ({}, "retention", "is missing"),
        ({"retentoin": "30d"}, "retentoin", "did you mean 'retention'?"),
    ],
)
async def test_a_wrong_retention_is_refused(
    api: httpx.AsyncClient, body: dict[str, object], path: str, words: str
) -> None:
    refused = await api.put("/retention", json=body)

    assert refused.status_code == 422
    assert [error for error in refused.json()["errors"] if error["path"] == path]
    assert words in refused.text


async def test_pruning_deletes_of_one_project_only(api: httpx.AsyncClient, rows: Rows) -> None:
    await old_run(rows)
    await old_run(rows, project="other")

    nothing = (await api.post("/prune")).json()
    foretold = (await api.post("/prune", json={"older_than": "7d", "dry_run": True})).json()
    done = (await api.post("/prune", json={"older_than": "7d"})).json()

    assert nothing["runs"] == 0
    assert (foretold["runs"], foretold["dry_run"]) == (1, True)
    assert (done["runs"], done["dry_run"], done["more"]) == (1, False, False)
    assert await rows.count("run") == 1
    named = (await api.post("/prune", json={"older_than": "7d", "project": "other"})).json()
    assert named["runs"] == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"older_than": "a week"}, "expected a duration like"),
        ({"older_than": "99999d"}, "between 0s and 3650d"),
        ({"dry-run": True}, "did you mean 'dry_run'?"),
        ({"project": "Not A Name"}, "project"),
    ],
)
async def test_a_wrong_order_is_refused_and_deletes_nothing(
    api: httpx.AsyncClient, rows: Rows, body: dict[str, object], words: str
) -> None:
    await old_run(rows)

    refused = await api.post("/prune", json=body)

    assert refused.status_code == 422
    assert words in refused.text
    assert await rows.count("run") == 1
