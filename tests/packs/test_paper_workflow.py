"""paper-analysis through the public API: ten nodes as drawn, real PDFs, git and links, checked by results."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from penstock.definition import load
from penstock_cli.drawing import as_document
from tests.e2e.conftest import Api, node_of, states
from tests.e2e.test_repository_guard import download, upload
from tests.model_server import ModelRequest, ModelServer
from tests.packs.conftest import apply
from tests.packs.paper_web import Web, make_repository, serving
from tests.packs.papers import CODE, PACK, QUEUES, Paper, with_addresses, write_paper
from tests.stack import Stack

pytestmark = pytest.mark.sandbox

WORKFLOW = PACK / "paper-analysis.yaml"
Json = dict[str, Any]


@dataclass(frozen=True)
class World:
    stack: Stack
    web: Web
    commit: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, model_server_running: ModelServer) -> Iterator[World]:
    """A Penstock with the pack's agents, whose operator has one host on both allow-lists."""
    folder = tmp_path_factory.mktemp("papers")
    commit = make_repository(folder / "repositories", "code", CODE)
    with serving(folder / "repositories") as web:
        pack = shutil.copytree(PACK, folder / "packs/paper-analysis")
        for agent in ("paper-links", "paper-repository"):
            _allow(pack / "agents" / agent / "agent.yaml", web.address)
        extra = {
            "PENSTOCK_RUNNER_NETWORKS": "127.0.0.0/8",
            "PENSTOCK_RUNNER_MODELS_FILE": str(
                model_server_running.write_models(folder, provider=", attempts: 1")
            ),
        }
        with Stack(folder=folder, agents=(folder / "packs",), own={"runner-0": extra}) as stack:
            yield World(stack, web, commit)


def _allow(manifest: Path, address: str) -> None:
    """Make `address` the whole list: nobody else is asked by a test."""
    said = yaml.safe_load(manifest.read_text())
    said["sandbox"]["network"] = [address]
    manifest.write_text(yaml.safe_dump(said))


@pytest.fixture
async def api(world: World, model_server: ModelServer) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=world.stack.url, timeout=90) as client:
        running = Api(client)
        await apply(running, WORKFLOW)
        world.web.asked.clear()
        yield running


async def give(api: Api, path: Path) -> str:
    answer = await api.client.post("/api/v1/artifacts", content=await asyncio.to_thread(path.read_bytes))
    return f"artifact://{answer.json()['sha256']}/{path.name}"


async def analysed(api: Api, paper: Path, **given: Any) -> tuple[Json, Json, str]:
    """The run, the report's facts, and its page."""
    run = await api.ended(await api.start("paper-analysis", {"paper": await give(api, paper), **given}))
    assert set(states(run).values()) == {"succeeded"}, (states(run), run["failure"])
    facts = json.loads(await download(api, run["output"]["json"]))
    return run, facts, (await download(api, run["output"]["report"])).decode()


def local(web: Web) -> Paper:
    """The sample with addresses of the local web."""
    there = {
        "https://github.com/example/queue-speed": f"{web.url}/git/code.git",
        "https://example.org/library/queues/a-long-address/of-a-page/that-goes-over/lines.html": (
            f"{web.url}/a-long/way/to-a.html"
        ),
        "https://example.org/proceedings/2008/reader.pdf": f"{web.url}/gone",
    }
    return with_addresses(QUEUES, there)


def outcomes(facts: Json) -> dict[str, str]:
    return {finding["id"]: finding["outcome"] for finding in facts["findings"]}


def test_the_nodes_and_edges_are_those_of_the_drawing() -> None:
    loaded = load(WORKFLOW.read_text())

    assert loaded.warnings == ()
    assert {node["name"]: {*node["needs"]} for node in as_document(loaded.definition)["nodes"]} == {
        "ingest-pdf": set(),
        "extract-text": {"ingest-pdf"},
        "extract-evidence": {"extract-text"},
        "validate-links": {"extract-evidence"},
        "fetch-repo": {"validate-links"},
        "ai-checks-pdf": {"extract-text"},
        "ai-checks-repo": {"fetch-repo"},
        "aggregate-findings": {"ai-checks-pdf", "ai-checks-repo"},
        "compute-score": {"aggregate-findings"},
        "generate-report": {"compute-score"},
    }


async def test_a_paper_is_analysed_with_its_links_its_repository_and_a_model(
    api: Api, world: World, model_server: ModelServer, tmp_path: Path
) -> None:
    """The model waits for a request to git: the two branches must run at the same time."""
    honest = "Networks were not part of it, and results do not generalize to queues that are kept on disk."
    fetched = threading.Event()
    world.web.on_git = fetched.set

    def answer(request: ModelRequest) -> Json:
        if "<repository>" in request.text:
            return {"summary": "It measures queues.", "files": ["measure.py", "made-up.py"], "missing": []}
        if not fetched.wait(20):
            raise RuntimeError("the branches do not overlap")
        check = {
            "id": "reporting.limitations",
            "verdict": "yes",
            "quote": honest,
            "explanation": "One machine.",
        }
        made_up = {**check, "id": "reporting.methods", "quote": "We asked a thousand people in the street."}
        return {"checks": [check, made_up], "concerns": []}

    model_server.on(answer)
    paper = write_paper(tmp_path / "queues.pdf", local(world.web))

    run, facts, page = await analysed(api, paper)

    links = {link["url"].removeprefix(world.web.url): link["state"] for link in facts["links"]}
    assert links["/a-long/way/to-a.html"] == "ok"
    assert links["/gone"] == "broken"
    assert links["https://arxiv.org/abs/2101.01234"] == "not_allowed"
    assert facts["repository"]["commit"] == world.commit
    assert facts["methods"]["paper"]["method"] == facts["methods"]["repository"]["method"] == "model"
    assert facts["methods"]["paper"]["dropped_quotes"] == 1
    found = outcomes(facts)
    assert (found["reporting.limitations"], found["reporting.methods"]) == ("passed", "failed")
    assert (found["statistics.consistent"], found["match.results"]) == ("failed", "passed")
    assert found["openness.links"] == "failed"
    points = [each for part in facts["parts"] for each in part["points"]]
    assert sum(each["contributed"] for each in points) == pytest.approx(run["output"]["score"], abs=0.3)
    assert "computed p = 0.2402" in page
    assert "made-up.py" not in page


async def test_a_retried_attempt_does_not_pay_twice(
    api: Api, model_server: ModelServer, tmp_path: Path
) -> None:
    """Two pieces: the provider fails at the second once, and the next attempt asks for it alone.

    Of the workflow only the way to the node: the others are none of this.
    """
    filler = tuple("Nothing of interest is told here, but with many words. " * 8 for _ in range(32))
    long = replace(QUEUES, body=(*QUEUES.body[:-2], ("5 Remarks", filler), *QUEUES.body[-2:]))
    asked: list[str] = []

    def answer(request: ModelRequest) -> Json:
        asked.append(request.text)
        if len(asked) == 1:
            model_server.server_error(times=1)
        return {"checks": [], "concerns": []}

    model_server.on(answer)
    whole = yaml.safe_load(WORKFLOW.read_text())
    way = {name: whole["nodes"][name] for name in ("ingest-pdf", "extract-text", "ai-checks-pdf")}
    output = "${{ nodes.ai-checks-pdf.output.pieces }}"
    await api.define({"name": "judged", "inputs": whole["inputs"], "nodes": way, "output": output})
    paper = await give(api, write_paper(tmp_path / "long.pdf", long))

    run = await api.ended(await api.start("judged", {"paper": paper}))

    assert (run["state"], run["output"]) == ("succeeded", 2), run["failure"]
    assert node_of(run, "ai-checks-pdf")["attempt"] == 2
    assert len(asked) == len({*asked}) == 2


async def test_without_a_model_and_with_given_code_and_weights(
    api: Api, model_server: ModelServer, tmp_path: Path
) -> None:
    offline = with_addresses(QUEUES, {"https://github.com": "https://forge.invalid"})
    given = {
        "repository": await upload(api, CODE),
        "use_model": False,
        "weights": {"match": 0, "repository": 0},
    }

    _, facts, page = await analysed(api, write_paper(tmp_path / "a.pdf", offline), **given)

    assert model_server.requests == []
    assert (facts["repository"]["source"], facts["methods"]["paper"]["method"]) == ("input", "rules")
    assert facts["links"][0]["state"] != "ok" or facts["link_counts"]["ok"] > 0
    assert all(
        link["note"] == "not checked: not on the allow-list"
        for link in facts["links"]
        if "invalid" in link["url"]
    )
    contributed = {part["name"]: sum(each["possible"] for each in part["points"]) for part in facts["parts"]}
    assert (contributed["match"], contributed["repository"]) == (0, 0)
    assert "judged by rules" in page


async def test_what_is_no_pdf_fails_once_and_says_why(api: Api, tmp_path: Path) -> None:
    (tmp_path / "paper.pdf").write_text("<html>Please log in</html>")

    run = await api.ended(
        await api.start("paper-analysis", {"paper": await give(api, tmp_path / "paper.pdf")})
    )

    ingest = node_of(run, "ingest-pdf")
    assert (run["state"], ingest["attempt"], ingest["failure"]["error_class"]) == ("failed", 1, "validation")
    assert "the file is no PDF: it begins with b'<html>" in run["failure"]["message"]
    assert {*states(run).values()} == {"failed", "skipped"}
