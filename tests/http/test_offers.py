"""Saving a workflow tells whether somebody could run it now; it is saved all the same."""

import httpx

from tests.http.builders import Rows

DOCUMENT = """\
name: greet
nodes:
  hello:
    agent: greter
  louder:
    agent: shouter
    pool: gpu
    with: {txt: hi}
    needs: [hello]
"""
SHOUTER = {
    "name": "shouter",
    "version": "2.0.0",
    "input": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {}},
        "additionalProperties": False,
    },
}


async def warnings(api: httpx.AsyncClient, text: str = DOCUMENT) -> list[tuple[str, int | None, str]]:
    saved = await api.post("/workflows", content=text, headers={"content-type": "application/yaml"})
    assert saved.status_code in (200, 201), saved.text
    return [(w["path"], w.get("line"), w["message"]) for w in saved.json()["warnings"]]


async def test_without_any_runner_one_warning_says_so(api: httpx.AsyncClient) -> None:
    assert await warnings(api) == [
        ("nodes", 2, "no runner has announced itself: nothing of it runs until one does")
    ]


async def test_an_agent_that_nobody_offers_is_named_with_its_line_and_the_nearest(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    await rows.runner("r1", [{"name": "greeter", "version": "1"}, SHOUTER])

    hello, louder = await warnings(api)

    until = "a run that comes here waits until one does"
    assert hello == (
        "nodes.hello.agent",
        4,
        f"no runner offers agent 'greter': {until}; did you mean 'greeter'?",
    )
    assert louder[2] == (
        f"no runner of pool 'gpu' offers agent 'shouter', only runners of pool 'default'; {until}"
    )


async def test_an_agent_that_cannot_be_loaded_is_told_with_its_error(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    await rows.runner("r1", [{"name": "greter", "version": "?", "error": "agent.yaml: command: missing"}])
    await rows.runner("r2", [SHOUTER], pool="gpu")

    hello = (await warnings(api))[0]

    assert (
        hello[2]
        == "agent 'greter' cannot be loaded by a runner of pool 'default': agent.yaml: command: missing"
    )


async def test_an_input_that_the_agent_would_refuse_is_told_before_any_run(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    await rows.runner("r1", [{"name": "greter", "version": "1"}])
    await rows.runner("r2", [SHOUTER], pool="gpu")

    found = await warnings(api)

    assert [(path, message) for path, _, message in found] == [
        ("nodes.louder.with", "agent 'shouter' requires 'text'"),
        ("nodes.louder.with.txt", "agent 'shouter' takes no 'txt'; did you mean 'text'?"),
    ]


async def test_what_is_offered_now_counts_also_when_a_saved_workflow_is_checked_or_shown(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    await warnings(api)
    await rows.runner("r1", [{"name": "greter", "version": "1"}])
    await rows.runner("r2", [SHOUTER | {"input": None}], pool="gpu")

    checked = await api.post(
        "/workflows/validate", content=DOCUMENT, headers={"content-type": "application/yaml"}
    )

    assert checked.json()["problems"] == []
    assert (await api.get("/workflows/greet")).json()["warnings"] == []


async def test_two_runners_with_different_versions_are_told_apart(api: httpx.AsyncClient, rows: Rows) -> None:
    await rows.runner("old", [{"name": "shouter", "version": "1.9.0", "models": ["default"]}])
    await rows.runner("new", [SHOUTER])
    await rows.runner("odd", [SHOUTER | {"input": {"type": "string"}}])

    agent = (await api.get("/agents/shouter")).json()

    assert agent["mixed"] is True
    old, new = agent["versions"]
    assert (old["version"], old["runners"], old["models"]) == ("1.9.0", ["old"], ["default"])
    assert (new["version"], sorted(new["runners"]), new["differs"]) == ("2.0.0", ["new", "odd"], True)


async def test_what_only_one_of_two_versions_refuses_is_told_with_its_version(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    taking = {"type": "object", "properties": {"txt": {}}}
    await rows.runner("old", [SHOUTER | {"version": "1.9.0", "input": taking}], pool="gpu")
    await rows.runner("new", [SHOUTER], pool="gpu")

    louder = [(path, message) for path, _, message in await warnings(api) if "louder" in path]

    versions = "runners of pool 'gpu' have different versions of agent 'shouter', 1.9.0, 2.0.0"
    assert louder == [
        ("nodes.louder.agent", f"{versions}; which one an attempt gets is chance"),
        ("nodes.louder.with", "agent 'shouter' in version 2.0.0 requires 'text'"),
        (
            "nodes.louder.with.txt",
            "agent 'shouter' in version 2.0.0 takes no 'txt'; did you mean 'text'?",
        ),
    ]


async def test_an_agent_that_does_not_exist_is_told_with_the_nearest(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    await rows.runner("r1", [SHOUTER])

    answer = await api.get("/agents/shoutr")

    assert answer.status_code == 404
    assert "did you mean 'shouter'" in answer.json()["detail"]
