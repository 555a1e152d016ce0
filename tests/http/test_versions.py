"""Versions of a workflow through the door: listed, compared, pinned, and kept by the runs that have them."""

import httpx
import pytest

from tests.http.builders import GREET_LOUDER, START, Rows, save

GREET_SHORT = GREET_LOUDER.replace(
    'output: {text: "${{ nodes.polish.output.text }}"}', 'output: {text: "${{ nodes.hello.output.text }}"}'
).replace(
    """  polish:
    agent: polisher
    with: {text: "${{ nodes.hello.output.text }}"}
""",
    "",
)


@pytest.fixture
async def three(greet: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client of a Penstock that has three versions of `greet`."""
    for text in (GREET_LOUDER, GREET_SHORT):
        assert (await save(greet, text)).status_code == 201
    return greet


async def test_versions_are_listed_newest_first_in_pages(three: httpx.AsyncClient) -> None:
    first = (await three.get("/workflows/greet/versions", params={"limit": 2})).json()
    second = (
        await three.get("/workflows/greet/versions", params={"limit": 2, "cursor": first["next"]})
    ).json()

    items = [*first["items"], *second["items"]]
    assert [(item["version"], item["latest"]) for item in items] == [(3, True), (2, False), (1, False)]
    assert [item["description"] for item in items] == ["Shouts hello", "Shouts hello", "Says hello"]
    assert len({item["digest"] for item in items}) == 3
    assert {item["active"] for item in items} == {True}
    assert second["next"] is None


async def test_each_version_tells_how_many_of_its_runs_are_open(three: httpx.AsyncClient, rows: Rows) -> None:
    for version, state in ((1, "running"), (1, "cancelling"), (2, "succeeded"), (3, "running")):
        await rows.run(workflow_version=version, state=state)

    items = (await three.get("/workflows/greet/versions")).json()["items"]

    assert {item["version"]: item["runs_open"] for item in items} == {1: 2, 2: 0, 3: 1}


async def test_an_inactive_workflow_shows_it_on_its_versions(three: httpx.AsyncClient) -> None:
    await three.post("/workflows/greet/deactivate")

    items = (await three.get("/workflows/greet/versions")).json()["items"]

    assert {item["active"] for item in items} == {False}


async def test_a_run_keeps_its_version_when_a_newer_one_is_saved(greet: httpx.AsyncClient) -> None:
    run = (await greet.post("/runs", json=START)).json()
    await save(greet, GREET_SHORT)
    newer = (await greet.post("/runs", json=START)).json()

    again = (await greet.get(f"/runs/{run['id']}")).json()

    assert (again["version"], [node["name"] for node in again["nodes"]]) == (1, ["hello", "polish"])
    assert (newer["version"], newer["progress"]["total"]) == (2, 1)


async def test_a_run_can_be_pinned_to_a_version(three: httpx.AsyncClient) -> None:
    started = await three.post("/runs", json=START | {"version": 2})
    unknown = await three.post("/runs", json=START | {"version": 4})

    assert (started.status_code, started.json()["version"]) == (201, 2)
    assert unknown.status_code == 404
    assert "there are versions 1 to 3" in unknown.json()["detail"]


async def test_a_diff_is_from_the_version_before_to_the_latest(three: httpx.AsyncClient) -> None:
    found = (await three.get("/workflows/greet/diff")).json()

    assert (found["name"], found["from"], found["to"]) == ("greet", 2, 3)
    assert found["nodes"] == ["polish"]
    assert [(c["kind"], c["node"], c["path"]) for c in found["changes"]] == [
        ("changed", None, "output.text"),
        ("removed", "polish", ""),
    ]
    assert found["changes"][1]["before"]["agent"] == "polisher"


async def test_any_two_versions_can_be_compared(three: httpx.AsyncClient) -> None:
    said = {
        "kind": "changed",
        "node": None,
        "path": "description",
        "before": "Says hello",
        "after": "Shouts hello",
    }

    forth = (await three.get("/workflows/greet/diff", params={"from": 1, "to": 2})).json()
    back = (await three.get("/workflows/greet/diff", params={"from": 2, "to": 1})).json()
    before = (await three.get("/workflows/greet/diff", params={"to": 2})).json()
    same = (await three.get("/workflows/greet/diff", params={"from": 3})).json()

    assert forth["changes"] == before["changes"] == [said]
    assert back["changes"] == [said | {"before": "Shouts hello", "after": "Says hello"}]
    assert (same["from"], same["to"], same["changes"]) == (3, 3, [])


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/workflows/greet/diff?from=9", 404, "there are versions 1 to 3"),
        ("/workflows/greet/diff?to=9", 404, "there are versions 1 to 3"),
        ("/workflows/greet/versions/9", 404, "there are versions 1 to 3"),
        ("/workflows/gret/diff", 404, "did you mean 'greet'?"),
        ("/workflows/gret/versions", 404, "did you mean 'greet'?"),
        ("/workflows/greet/diff?to=1", 422, "no version before 'greet' 1"),
        ("/workflows/greet/diff?from=0", 422, "from"),
        ("/workflows/greet/diff?form=1", 422, "did you mean 'from'?"),
        ("/workflows/greet/versions?cursor=WzBd", 422, "cursor"),
    ],
)
async def test_what_does_not_exist_is_told_with_what_does(
    three: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    answer = await three.get(path)

    assert answer.status_code == status
    assert words in answer.json()["detail"]
