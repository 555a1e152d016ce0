"""The registry through its door: versions, lists, activation, and all mistakes of a definition at once."""

import asyncio

import httpx

from tests.http.builders import GREET, GREET_LOUDER, YAML, save

TEN_MISTAKES = """\
name: Bad_Name
descripton: misspelt
timeout: soon
nodes:
  scan:
    agnet: scanner
    retry: standrad
  review:
    agent: reviewer
    needs: [scna]
    timeout: -5s
  loop-a: {agent: a, needs: [loop-b]}
  loop-b: {agent: b, needs: [loop-a]}
  patch:
    agent: patcher
    if: "${{ nodes.reviw.output.ok }}"
    with: {x: "${{ 1 + }}"}
    foreach: 3
on_failure: explode
"""


async def test_a_changed_definition_is_the_next_version_and_an_unchanged_one_is_none(
    api: httpx.AsyncClient,
) -> None:
    first = await save(api)
    again = await save(api)
    changed = await save(api, GREET_LOUDER)

    assert (first.status_code, first.json()["version"]) == (201, 1)
    assert (again.status_code, again.json()["version"]) == (200, 1)
    assert (changed.status_code, changed.json()["version"]) == (201, 2)
    assert changed.headers["location"] == "/api/v1/workflows/greet/versions/2"
    assert first.json()["definition"]["name"] == "greet"


async def test_savers_at_once_make_each_changed_definition_one_version(api: httpx.AsyncClient) -> None:
    texts = [GREET.replace("Says hello", f"Says hello {number % 5}") for number in range(20)]

    answers = await asyncio.gather(*(save(api, text) for text in texts))

    versions = sorted(answer.json()["version"] for answer in answers if answer.status_code == 201)
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert versions == list(range(1, len(versions) + 1))
    assert 5 <= len(versions) <= 20
    latest = (await api.get("/workflows/greet")).json()
    assert latest["version"] == versions[-1]


async def test_the_same_definition_saved_by_many_at_once_is_one_version(api: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(save(api) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert {answer.json()["version"] for answer in answers} == {1}


async def test_a_version_stays_readable_after_the_next(api: httpx.AsyncClient) -> None:
    await save(api)
    await save(api, GREET_LOUDER)

    first = (await api.get("/workflows/greet/versions/1")).json()
    latest = (await api.get("/workflows/greet")).json()

    assert (first["version"], first["description"]) == (1, "Says hello")
    assert (latest["version"], latest["description"]) == (2, "Shouts hello")
    assert first["digest"] != latest["digest"]


async def test_json_is_as_good_as_yaml(api: httpx.AsyncClient) -> None:
    document = (await save(api)).json()["definition"]

    answer = await api.post("/workflows", json=document)

    assert (answer.status_code, answer.json()["version"]) == (200, 1)


async def test_lists_come_in_pages_by_name_without_definitions(api: httpx.AsyncClient) -> None:
    for letter in "edcba":
        await save(api, GREET.replace("name: greet", f"name: flow-{letter}", 1))

    first = (await api.get("/workflows", params={"limit": 3})).json()
    second = (await api.get("/workflows", params={"limit": 3, "cursor": first["next"]})).json()

    names = [item["name"] for page in (first, second) for item in page["items"]]
    assert names == [f"flow-{letter}" for letter in "abcde"]
    assert second["next"] is None
    assert "definition" not in first["items"][0]


async def test_an_inactive_workflow_starts_no_run_until_it_is_activated(api: httpx.AsyncClient) -> None:
    await save(api)
    start = {"workflow": "greet", "input": {"name": "Ada"}}
    assert (await api.post("/runs", json=start)).status_code == 201

    off = await api.post("/workflows/greet/deactivate")
    refused = await api.post("/runs", json=start)
    refused_version = await api.post("/runs", json=start | {"version": 1})
    inactive = (await api.get("/workflows", params={"active": "false"})).json()
    on = await api.post("/workflows/greet/activate", json={})
    accepted = await api.post("/runs", json=start)

    assert off.json()["active"] is False
    assert (refused.status_code, refused_version.status_code) == (409, 409)
    assert "not active" in refused.json()["detail"]
    assert [item["name"] for item in inactive["items"]] == ["greet"]
    assert on.json()["active"] is True
    assert accepted.status_code == 201


async def test_projects_do_not_see_each_other(api: httpx.AsyncClient) -> None:
    await save(api, **{"X-Penstock-Project": "red"})

    seen = await api.get("/workflows/greet", headers={"X-Penstock-Project": "red"})
    unseen = await api.get("/workflows/greet", headers={"X-Penstock-Project": "blue"})

    assert (seen.status_code, unseen.status_code) == (200, 404)
    assert seen.json()["project"] == "red"


async def test_ten_mistakes_are_reported_at_once_each_with_its_place(api: httpx.AsyncClient) -> None:
    refused = await save(api, TEN_MISTAKES)
    checked = await api.post("/workflows/validate", content=TEN_MISTAKES, headers=YAML)

    assert refused.status_code == 422
    errors = refused.json()["errors"]
    messages = " | ".join(f"{error['path']}: {error['message']}" for error in errors)
    assert len(errors) >= 10, messages
    assert all(error.get("line") for error in errors), messages
    for word in ("description", "agent", "standard", "scan", "review", "loop-a", "foreach", "compensate"):
        assert word in messages
    assert checked.status_code == 200
    assert checked.json()["valid"] is False
    assert [problem["path"] for problem in checked.json()["problems"]] == [error["path"] for error in errors]
    assert (await api.get("/workflows")).json()["items"] == []


async def test_a_good_definition_is_valid_and_not_saved_by_checking(api: httpx.AsyncClient) -> None:
    checked = await api.post("/workflows/validate", content=GREET, headers=YAML)

    assert checked.json()["valid"] is True
    assert (await api.get("/workflows/greet")).status_code == 404


async def test_the_schema_is_published(api: httpx.AsyncClient) -> None:
    answer = await api.get("/schemas/workflow")

    assert answer.headers["content-type"].startswith("application/schema+json")
    assert "nodes" in answer.json()["properties"]


async def test_a_workflow_that_would_run_itself_is_refused_with_the_way(api: httpx.AsyncClient) -> None:
    early = await save(api, "name: a\nnodes:\n  x: {workflow: b}\n")
    await save(api, "name: b\nnodes: {x: {agent: greeter}}\n")
    known = await save(api, "name: a\nnodes:\n  x: {workflow: b, timeout: 5m}\n")

    refused = await save(api, "name: b\nnodes:\n  y: {agent: greeter}\n  x: {workflow: a}\n")
    itself = await save(api, "name: c\nnodes: {x: {workflow: c}}\n")

    assert early.status_code == known.status_code == 201
    (warning,) = early.json()["warnings"]
    assert (warning["path"], warning["line"]) == ("nodes.x.workflow", 3)
    assert "no workflow named 'b' is saved yet" in warning["message"]
    assert known.json()["warnings"] == []
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["path"], error["line"]) == (422, "nodes.x.workflow", 4)
    assert error["message"] == "a workflow can't run itself: b → a → b"
    assert itself.json()["errors"][0]["message"] == "a workflow can't run itself: c → c"


async def test_sub_workflows_are_eight_levels_deep_at_most(api: httpx.AsyncClient) -> None:
    await save(api, "name: level-8\nnodes: {x: {agent: greeter}}\n")
    for level in range(7, -1, -1):
        saved = await save(api, f"name: level-{level}\nnodes: {{x: {{workflow: level-{level + 1}}}}}\n")
        assert saved.status_code == 201, saved.text

    refused = await save(api, "name: top\nnodes: {x: {workflow: level-0}}\n")

    assert refused.status_code == 422
    assert "more than 8 levels of sub-workflows" in refused.text
