"""paper-analysis judges by rules, and by a model only with quotes that are in the paper; every point has a finding."""

import json
from pathlib import Path
from typing import Any

import pytest
from paper.document import Document
from paper.evidence import Evidence, evidence_in, flows_of
from paper.finding import Finding, load_findings, write_findings
from paper.matching import match_findings
from paper.notebooks import what_is_wrong
from paper.opening import open_paper
from paper.paper_model import QUESTIONS, judged
from paper.paper_rules import paper_findings
from paper.pinning import dependencies_in
from paper.reading import read_document
from paper.repository_model import summary_of
from paper.repository_rules import repository_findings
from paper.repository_tree import RepositoryTree
from paper.scoring import score_of, weights_from

from penstock.agents import Invalid
from tests.model_server import KEY, ModelRequest, ModelServer
from tests.packs.agent_process import write_tree
from tests.packs.papers import CODE, QUEUES, SAMPLE, Paper, write_paper

Json = dict[str, Any]


@pytest.fixture(scope="module")
def sample() -> tuple[Document, Evidence]:
    document = read_document(open_paper(SAMPLE))
    return document, evidence_in(document)


@pytest.fixture
def model(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> ModelServer:
    """The model server, as an agent outside of Penstock calls it."""
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return model_server


def tree_of(folder: Path) -> RepositoryTree:
    return RepositoryTree(
        folder, [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    )


def outcomes(findings: list[Finding]) -> dict[str, str]:
    return {finding.id: finding.outcome for finding in findings}


def findings_of(tmp_path: Path, paper: Paper) -> dict[str, Finding]:
    document = read_document(open_paper(write_paper(tmp_path / "a.pdf", paper)))
    return {finding.id: finding for finding in paper_findings(document, evidence_in(document))}


def test_the_sample_fails_where_it_is_meant_to(sample: tuple[Document, Evidence]) -> None:
    found = {finding.id: finding for finding in paper_findings(*sample)}

    assert {name for name, finding in found.items() if finding.outcome != "passed"} == {
        "reporting.claims",
        "reporting.declarations",
        "statistics.consistent",
    }
    (wrong,) = found["statistics.consistent"].evidence
    assert wrong.quote == "t(28) = 1.20, p = .03 — computed p = 0.2402"
    assert wrong.page == 1
    assert found["statistics.consistent"].severity == "high"


def test_a_paper_that_tells_nothing_earns_nothing(tmp_path: Path) -> None:
    found = findings_of(tmp_path, Paper("A Paper of Opinions", "", (("1 Opinions", ("I think so. " * 40,)),)))

    assert {finding.outcome for finding in found.values()} == {"failed", "unknown"}
    assert found["statistics.consistent"].outcome == "unknown"


@pytest.mark.parametrize(
    ("sentence", "outcome"),
    [
        ("The data are available from the corresponding author upon reasonable request.", "partly"),
        ("The data are proprietary and cannot be shared or made available.", "failed"),
        ("All data are publicly available at https://zenodo.org/records/1.", "passed"),
        ("We like data.", "failed"),
    ],
)
def test_access_to_data_is_told_apart(sentence: str, outcome: str, tmp_path: Path) -> None:
    paper = Paper("A Paper With Some Data", "", (("Data Availability", (sentence,)),))

    assert findings_of(tmp_path, paper)["openness.data-available"].outcome == outcome


def test_every_place_of_a_finding_is_in_the_paper(sample: tuple[Document, Evidence]) -> None:
    document = sample[0]
    for finding in paper_findings(*sample):
        for item in finding.evidence:
            there = "".join(document.text_of(item.page)[item.start : item.end].split())
            assert there == "".join(item.quote.partition(" — ")[0].split())


def test_the_samples_repository_fits_the_paper(sample: tuple[Document, Evidence]) -> None:
    tree = tree_of(CODE)

    of_repository = outcomes(repository_findings(tree))
    matched = {finding.check: finding for finding in match_findings(*sample, flows_of(sample[0]), tree)}

    assert of_repository == {
        "repository.readme": "passed",
        "repository.license": "failed",
        "repository.pinned": "partly",
        "repository.tests": "partly",
        "repository.integration": "failed",
        "repository.data": "passed",
        "repository.notebooks": "unknown",
        "repository.entry": "passed",
        "repository.seeds": "passed",
    }
    assert {check: finding.outcome for check, finding in matched.items()} == dict.fromkeys(
        ("title", "versions", "results"), "passed"
    )
    assert "numpy ==1.26.4" in matched["versions"].evidence[0].quote
    assert "results/analysis.txt" in {item.file for item in matched["results"].evidence}


def test_another_repository_does_not_fit(sample: tuple[Document, Evidence], tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "README.md": "# Soup\n\nRecipes.\n",
        "requirements.txt": "numpy==2.1.0\n",
        "results/a.csv": "99.999\n77.1\n",
    }
    found = match_findings(*sample, flows_of(sample[0]), tree_of(write_tree(tmp_path, files)))

    assert [finding.outcome for finding in found] == ["failed", "failed", "failed"]


def test_an_empty_repository_fails_everything_that_can_fail(tmp_path: Path) -> None:
    assert {*outcomes(repository_findings(RepositoryTree(tmp_path, []))).values()} == {"failed", "unknown"}


def test_dependencies_are_read_from_what_declares_them(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "requirements.txt": "numpy==1.26.4 ; python_version > '3'  # why\nscipy>=1.1\n-r other.txt\nplain\n",
        "environment.yml": "dependencies:\n  - python=3.11\n  - pandas\n  - pip:\n    - torch==2.1\n",
        "pyproject.toml": '[project]\ndependencies = ["httpx[http2]==0.28.1", "rich"]\n',
        "package.json": '{"dependencies": {"left": "1.2.3", "right": "^2.0.0"}}',
        "broken/pyproject.toml": "[project\n",
        "broken/package.json": "[1, 2]",
    }
    found = {each.name: each.exact for each in dependencies_in(tree_of(write_tree(tmp_path, files)))}

    assert found == {
        "numpy": True, "scipy": False, "plain": False, "python": True, "pandas": False, "torch": True,
        "httpx": True, "rich": False, "left": True, "right": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([1, 2, 3], ""),
        ([4, 5, 6], ""),
        ([1, 3, 2], "cells were run in the order 1, 3, 2"),
        ([1, None, 2], "1 of 3 cells were not run"),
        ([1, 5], "some cells were run again, or deleted, meanwhile"),
    ],
)
def test_the_order_of_a_notebook_is_seen(counts: list[int | None], reason: str) -> None:
    cells = [{"cell_type": "code", "source": ["x"], "execution_count": count} for count in counts]

    assert what_is_wrong(json.dumps({"cells": [*cells, {"cell_type": "markdown", "source": []}]})) == reason
    assert what_is_wrong("{") == "it cannot be read as a notebook"


# With a model.

HONEST = "Networks were not part of it, and results do not generalize to queues that are kept on disk."


def said(*, quote: str = HONEST, check: str = "reporting.limitations", verdict: str = "yes") -> Json:
    return {"id": check, "verdict": verdict, "quote": quote, "explanation": "It says so."}


def judge(sample: tuple[Document, Evidence], *, saved: Json | None = None, save: Any = None) -> Any:
    document, gathered = sample
    rules = paper_findings(document, gathered)
    return judged(document, flows_of(document), rules, saved=saved, save=save or (lambda *_: None))


def test_a_model_passes_a_check_only_with_words_of_the_paper(
    sample: tuple[Document, Evidence], model: ModelServer
) -> None:
    made_up = said(quote="We repeated everything on a hundred machines.", check="reporting.methods")
    concern = {
        "title": "Bold",
        "quote": "Reading ahead is obviously better than anything else.",
        "explanation": "Why?",
    }
    model.on(
        lambda _: {
            "checks": [said(), made_up],
            "concerns": [concern, {**concern, "quote": "This is not in it."}],
        }
    )

    answer = judge(sample)

    found = {finding.id: finding for finding in answer.findings}
    assert answer.dropped == 2
    assert (found["reporting.limitations"].outcome, found["reporting.limitations"].method) == (
        "passed",
        "model",
    )
    (place,) = found["reporting.limitations"].evidence
    assert sample[0].text_of(1)[place.start : place.end].replace("\n", " ") == HONEST
    assert found["reporting.methods"].outcome == "failed"  # though the rules had found a section
    assert found["statistics.consistent"].method == "rules"
    assert (found["reporting.concern-1"].outcome, found["reporting.concern-1"].worth) == ("note", 0)
    assert "reporting.concern-2" not in found


def test_the_paper_goes_to_the_model_as_data_without_its_references(
    sample: tuple[Document, Evidence], model: ModelServer
) -> None:
    model.on(lambda _: {"checks": [], "concerns": []})

    judge(sample)

    (request,) = model.requests
    assert "must not be followed" in request.messages[0]["content"]
    assert request.text.count("<paper>") == request.text.count("</paper>") == 1
    assert "Reading ahead was faster" in request.text
    assert "E. Editor" not in request.text
    assert all(identity in request.text for identity in QUESTIONS)


def test_an_attempt_goes_on_where_the_last_one_failed(model: ModelServer, tmp_path: Path) -> None:
    """Three pieces; the server fails at the second, and the next attempt pays for the second and third only."""
    text = tuple("Nothing of interest is told here, but for many words. " * 12 for _ in range(50))
    paper = Paper("A Long Paper", "", (("1 Introduction", text),))
    document = read_document(open_paper(write_paper(tmp_path / "a.pdf", paper)))
    long, saved = (document, evidence_in(document)), []

    def script(request: ModelRequest) -> Json:
        if len(model.requests) == 2:
            raise RuntimeError("the server has had enough")
        return {"checks": [], "concerns": []}

    model.on(script)
    with pytest.raises(Exception, match="model"):
        judge(long, save=lambda state, *_: saved.append(state))
    first = len(model.requests)
    answer = judge(long, saved=json.loads(json.dumps(saved[-1])))
    afterwards = [request.text for request in model.requests[first:]]
    again = judge((read_document(open_paper(SAMPLE)), evidence_in(document)), saved=saved[-1])

    assert (first, answer.pieces, len(afterwards)) == (2, 3, 2)
    assert model.requests[0].text not in afterwards
    assert again.pieces == 1  # what was saved of another paper is not believed
    assert len(model.requests) == 5


def test_a_repositorys_summary_names_only_files_that_are_there(model: ModelServer) -> None:
    model.on(
        lambda _: {"summary": "It measures.", "files": ["measure.py", "made-up.py"], "missing": ["a license"]}
    )

    finding, dropped = summary_of(tree_of(CODE), title=QUEUES.title)

    assert dropped == 1
    assert [item.file for item in finding.evidence] == ["measure.py"]
    assert (finding.outcome, finding.worth, finding.method) == ("note", 0, "model")
    assert finding.explanation == "It measures. Missing: a license."


# Points.


def test_every_point_of_a_score_is_one_findings(sample: tuple[Document, Evidence]) -> None:
    findings = [*paper_findings(*sample), *repository_findings(tree_of(CODE))]

    score = score_of(findings, weights_from({}))

    points = {each.finding: each for part in score.parts for each in part.points}
    assert {*points} == {finding.id for finding in findings}
    assert score.score is not None
    assert sum(each.contributed for each in points.values()) == pytest.approx(score.score, abs=0.2)
    assert sum(each.possible for each in points.values()) == pytest.approx(100, abs=0.2)
    assert points["statistics.consistent"].contributed == 0
    assert points["repository.notebooks"].possible == 0
    assert 0 < score.coverage < 1  # nothing is known of how paper and repository fit


def test_weights_decide_and_a_part_of_weight_0_does_not_count() -> None:
    good = Finding("reporting", "a", "t", "passed", "", 2)
    bad = Finding("openness", "b", "t", "failed", "", 5)

    assert score_of([good, bad], weights_from({"reporting": 3, "openness": 1})).score == 75
    assert score_of([good, bad], weights_from({"openness": 0})).score == 100
    assert score_of([good, bad], weights_from({"reporting": 0})).grade == "E"
    assert score_of([], weights_from({})).score is None


def test_weights_that_make_no_sense_are_refused_all_at_once() -> None:
    with pytest.raises(
        Invalid, match=r"weights\.report: there is no such part.*; weights\.match: expected a number"
    ):
        weights_from({"report": 1, "match": -1})
    with pytest.raises(Invalid, match="at least one part"):
        weights_from(dict.fromkeys(weights_from({}), 0.0))


def test_findings_are_the_same_after_their_file(sample: tuple[Document, Evidence], tmp_path: Path) -> None:
    findings = paper_findings(*sample)

    assert load_findings(Path(write_findings(findings, tmp_path / "f.json"))) == findings
