"""software-delivery with a model: what it answers is checked, mended, and never trusted beyond its role."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.agents import Invalid
from tests.e2e.conftest import Api, states
from tests.model_answers import Call
from tests.model_server import CHAT_MODEL, ModelRequest, ModelServer
from tests.packs.conftest import apply
from tests.packs.delivery_library import (
    accepting,
    analysed,
    analyst,
    begun,
    designing,
    implementing,
    reviewing,
    selection,
)
from tests.packs.test_delivery_pack import WORKFLOWS, asking, cloned, git, pytest_in

Json = Any
PLANTS = """# Plant log

A plant has a name (required) and a height (number, at least 0).

- The tallest plant must be found.
"""
WRONG = '''"""Which plant is the tallest."""

from plant_log.service import Service


def tallest(service: Service) -> dict:
    return min(service.list_plants(), key=lambda plant: plant.get("height", 0))
'''
RIGHT = WRONG.replace("return min(", "return max(")
TEST = '''"""The tallest plant."""

from plant_log import Service
from plant_log.tallest import tallest


def test_the_tallest_is_found(tmp_path, record_property):
    record_property("covers", "R1")
    service = Service(str(tmp_path / "plants.db"))
    for height in (3, 9, 4):
        service.create_plant({"name": f"plant {height}", "height": height})
    assert tallest(service)["height"] == 9
'''


@pytest.fixture
def model(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> ModelServer:
    """The library asks this server, as an agent does that runs outside Penstock."""
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", model_server.key)
    monkeypatch.setenv("OPENAI_MODEL", CHAT_MODEL)
    return model_server


@pytest.mark.sandbox
async def test_a_bug_is_found_by_the_tests_and_mended_in_the_second_round(
    packs: Api, model_server: ModelServer, tmp_path: Path
) -> None:
    """The selection's calls fail, too: the run goes on with the fallback."""
    await apply(packs, *WORKFLOWS)
    model_server.on(team(implementer=[WRONG, RIGHT]))
    run = await packs.start("software-delivery", {"requirements": PLANTS})
    asked = await asking(packs, run)

    await packs.post(f"/runs/{run}/nodes/sign-off/approve", by="ada")
    ended = await packs.ended(run)

    assert ended["state"] == "succeeded", ended["failure"]
    assert states(ended)["fallback"] == "succeeded"
    assert "1 of 1 requirements met" in asked
    clone = await cloned(packs, ended["output"]["bundle"], tmp_path)
    assert Counter(git(clone, "log", "--format=%an").split()) == Counter(
        {"requester": 1, "designer": 1, "implementer": 3, "tester": 1, "reviewer": 1}
    )
    assert (clone / "plant_log/tallest.py").read_text() == RIGHT
    assert "The loop reads well" in (clone / "delivery/reviews/round-2.md").read_text()
    assert pytest_in(clone).returncode == 0


def team(*, implementer: list[str]) -> Callable[[ModelRequest], Json]:
    """A script of all roles; the implementer writes one of the given files in each round."""
    written = iter(implementer)

    def answer(request: ModelRequest) -> Json:
        system = request.messages[0]["content"]
        if "You analyse" in system:
            return {"analysis": json.loads(request.text.rpartition("What the rules made of it:\n")[2])}
        if "You choose the blueprint" in system:
            return {"name": "skyscraper", "reason": "no such blueprint"}
        if "You design the contracts" in system:
            return {}
        if "You are the tester" in system:
            return {"files": [{"path": "tests/acceptance/test_tallest.py", "content": TEST}]}
        if "You are the reviewer" in system:
            comment = {"file": "plant_log/tallest.py", "line": 7, "severity": "remark"}
            return {"summary": "Good.", "comments": [{**comment, "text": "The loop reads well"}]}
        if request.messages[-1]["role"] == "tool":
            return "Wrote the function tallest."
        return Call("write_file", {"path": "plant_log/tallest.py", "content": next(written)})

    return answer


def test_an_analysis_with_wrong_references_goes_back_to_the_model(model: ModelServer) -> None:
    def answer(request: ModelRequest) -> Json:
        analysis = json.loads(
            request.messages[1]["content"].split("made of it:\n")[1].split("\n\nYou answered")[0]
        )
        is_second = "no operation is named 'sellPlant'" in request.text
        analysis["requirements"][0] |= {"covers": ["listPlants" if is_second else "sellPlant"], "gap": ""}
        return {"analysis": analysis}

    model.on(answer)

    found = analyst.analyse(PLANTS, model="default")

    assert (found.mode, found.requirements[0].covers) == ("model", ["listPlants"])
    assert len(model.requests) == 2


def test_a_lazy_analysis_loses_no_requirement_and_rewrites_none(model: ModelServer) -> None:
    changes = iter([None, {"gap": ""}, {"text": "Be nice.", "level": "may"}])

    def answer(request: ModelRequest) -> Json:
        analysis = json.loads(request.text.split("made of it:\n")[1].split("\n\nYou answered")[0])
        change = next(changes)
        asked = [] if change is None else [{**analysis["requirements"][0], **change}]
        return {"analysis": {**analysis, "requirements": asked}}

    model.on(answer)

    found = analyst.analyse(PLANTS, model="default").requirements

    assert [(each.text, each.level) for each in found] == [("The tallest plant must be found.", "must")]
    assert "requirements: R1 (line 5) is missing" in model.requests[1].text
    assert "requirements.R1: neither covers nor gap" in model.requests[2].text


def test_contracts_that_stay_invalid_end_with_what_the_validator_says(model: ModelServer) -> None:
    model.on(lambda request: {"api": {"openapi": "3.1.0", "info": {"title": "no version"}, "paths": {}}})

    with pytest.raises(
        Invalid, match=r'after 3 rounds with the model: api: info: "version" is a required property'
    ):
        designing.design(analysed(PLANTS), model="default")
    assert len(model.requests) == 3


def test_contracts_are_mended_in_another_round(model: ModelServer) -> None:
    def answer(request: ModelRequest) -> Json:
        drafted = json.loads(request.text.split("Contracts:\n")[1].split("\n\nNot covered")[0])["api"]
        operation = {"operationId": "findTallest", "responses": {"200": {"description": "The tallest"}}}
        if "This is wrong with it" not in request.text:
            operation |= {"operationId": "createPlant"}
        drafted["paths"]["/plants/tallest"] = {"get": operation}
        return {"api": drafted}

    model.on(answer)

    designed = designing.design(analysed(PLANTS), model="default")

    assert designed["api"]["paths"]["/plants/tallest"]["get"]["operationId"] == "findTallest"
    assert "Operation ID 'createPlant' for 'get' in '/plants/tallest' is not unique" in model.requests[1].text


def test_a_model_may_find_that_no_blueprint_fits(model: ModelServer) -> None:
    model.on(lambda request: {"name": "none", "reason": "it is a game"})

    with pytest.raises(Invalid, match="the model finds no blueprint that fits: it is a game"):
        selection.select(analysed(PLANTS), language="python", model="default")


def test_an_implementer_that_reaches_for_the_tests_is_told_no(model: ModelServer) -> None:
    tree = begun(analysed(PLANTS), blueprint="library")
    tried = iter(
        ["contracts/api.json", "../escaped.py", "tests/acceptance/test_tallest.py", "plant_log/tallest.py"]
    )

    def answer(request: ModelRequest) -> Json:
        path = next(tried, None)
        return Call("write_file", {"path": path, "content": RIGHT}) if path else "Did it."

    model.on(answer)

    implementing.implement(tree, number=1, feedback=implementing.Feedback(), model="default")

    told = [each["content"] for each in model.requests[-1].messages if each["role"] == "tool"]
    assert ["belongs to others" in told[0], "below the tree" in told[1], "belongs to others" in told[2]] == [
        True
    ] * 3
    assert told[3] == "written"
    assert "findTallest" not in tree.diff("--name-only")
    assert tree.git("status", "--porcelain") == ""


def test_tests_that_are_no_python_go_back_to_the_model(model: ModelServer) -> None:
    tree = begun(analysed(PLANTS), blueprint="library")
    contents = iter(["def test_it(:", TEST])
    path = "tests/acceptance/test_tallest.py"
    model.on(lambda request: {"files": [{"path": path, "content": next(contents)}]})

    accepting.write_tests(tree, number=1, feedback=implementing.Feedback(), model="default")

    assert (tree.folder / path).read_text() == TEST
    assert "invalid syntax" in model.requests[1].text


def test_a_models_comment_on_what_was_not_changed_is_dropped_or_moved(model: ModelServer) -> None:
    tree = begun(analysed(PLANTS), blueprint="library")
    tree.write({"plant_log/tallest.py": RIGHT})
    tree.commit("implementer", "Write")
    said = [
        ("plant_log/tallest.py", 7, "right"),
        ("plant_log/tallest.py", 700, "moved"),
        ("no/such.py", 1, "dropped"),
    ]
    comments = [
        {"file": file, "line": line, "severity": "blocking", "text": text} for file, line, text in said
    ]
    model.on(lambda request: {"summary": "", "comments": comments})

    found = reviewing.look(tree, number=1, model="default")

    assert [(each.line, each.text) for each in found.blocking] == [(0, "moved"), (7, "right")]
