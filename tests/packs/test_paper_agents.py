"""The agents of paper-analysis together, where something is missing; and their manifests."""

from pathlib import Path

import pytest
import yaml

from agent_runner.catalogue import read_catalogue
from tests.model_server import KEY, ModelServer
from tests.packs import paper_agents as agents
from tests.packs.papers import PACK, QUEUES, Paper, with_addresses, write_paper

NAMES = sorted(path.parent.name for path in PACK.glob("agents/*/agent.yaml"))


@pytest.fixture(autouse=True)
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OUT", str(tmp_path / "out"))


def test_no_repository_is_a_result(tmp_path: Path) -> None:
    paper = write_paper(tmp_path / "a.pdf", Paper("A Paper Without Any Code", "", QUEUES.body[1:2]))

    repository, facts, page = agents.chain(paper)

    assert (repository["found"], repository["tried"]) == (False, [])
    assert "No repository was found." in page
    assert not [each for each in facts["findings"] if each["part"] in ("repository", "match")]
    assert facts["coverage"] < 0.8


def test_a_repository_off_the_list_is_told_and_never_asked(tmp_path: Path) -> None:
    addresses = {"https://github.com/example": "https://forge.invalid/a", "queue-speed": "code.git"}
    paper = with_addresses(
        QUEUES, {**addresses, "https://doi.org": "https://doi.invalid", "arXiv:": "", "10.1234": "no-doi"}
    )

    repository, facts, page = agents.chain(write_paper(tmp_path / "a.pdf", paper))

    assert [each["reason"] for each in repository["tried"]] == ["not checked: not on the allow-list"]
    assert "https://forge.invalid/a/code.git: not checked: not on the allow-list" in page
    assert "not_allowed" in {link["state"] for link in facts["links"]}


def test_the_report_of_one_branch_says_that_the_other_is_missing(tmp_path: Path) -> None:
    paper = write_paper(tmp_path / "a.pdf", Paper("A Paper Without Any Code", "", QUEUES.body[1:2]))

    _, facts, page = agents.chain(paper, repository_fails=True)

    assert facts["missing"] == ["ai-checks-repo"]
    assert "Without a result: ai-checks-repo." in page


def test_the_runner_takes_every_agent() -> None:
    offers = {offer.name: offer for offer in read_catalogue([PACK]).offers()}

    assert sorted(offers) == NAMES
    assert [offer.error for offer in offers.values()] == [None] * len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_says_what_the_function_takes(name: str) -> None:
    said = yaml.safe_load((PACK / "agents" / name / "agent.yaml").read_text())
    known = agents.load(name).arguments.input_schema()

    assert {*said["input"]["properties"]} == {*known["properties"]}
    assert {*said["input"]["required"]} == {*known["required"]}


def test_only_two_agents_have_a_network_and_only_the_checks_a_model() -> None:
    manifests = {name: yaml.safe_load((PACK / "agents" / name / "agent.yaml").read_text()) for name in NAMES}

    assert [name for name in NAMES if manifests[name]["sandbox"]["network"] != "none"] == [
        "paper-links",
        "paper-repository",
    ]
    assert [name for name in NAMES if manifests[name].get("models")] == [
        "paper-checks",
        "paper-repository-checks",
    ]


@pytest.mark.parametrize(("failing", "method"), [("refuse_key", "rules"), ("refusal", "rules")])
def test_a_model_that_cannot_do_it_leaves_it_to_the_rules(
    failing: str, method: str, tmp_path: Path, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    paper = write_paper(tmp_path / "a.pdf", QUEUES)
    text = agents.load("paper-text")(paper=paper, facts={})
    getattr(model_server, failing)()

    answer = agents.load("paper-checks")(text=text)

    assert answer["method"] == method
    assert answer["model_error"]
