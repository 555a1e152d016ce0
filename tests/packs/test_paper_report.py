"""The page of paper-analysis says where each point comes from, loads nothing, and shows a stranger's text as text."""

import re
from dataclasses import asdict
from html.parser import HTMLParser
from typing import Any

import pytest
from paper.checked import Checked
from paper.finding import Evidence, Finding
from paper.report import facts_of, page_of
from paper.scoring import score_of, weights_from

EVIL = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover=alert(1)"
GOOD = Finding(
    "openness",
    "links",
    "Links lead somewhere",
    "failed",
    "1 of 2 work",
    3,
    evidence=(Evidence("gone", page=2),),
)
LINKS = [
    Checked("https://example.org/a", "ok", "answers", 200, page=1),
    Checked("https://example.org/b", "broken", "answers 404: it is not there", 404, page=2),
]


class Tags(HTMLParser):
    """All tags, and where attributes lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.loads += [str(value) for name, value in attrs if name in ("src", "href") and tag != "a"]
        self.loads += [
            str(value) for name, value in attrs if name == "href" and str(value).startswith("javascript")
        ]


def page(findings: list[Finding], links: list[Checked], **aggregated: Any) -> str:
    score = asdict(score_of(findings, weights_from({})))
    score["aggregated"] = {
        "paper": {"title": "A title", "scanned": [], "facts": {}},
        "repository": {"found": False, "tried": []},
        "methods": {"paper": {"method": "rules"}, "repository": {"method": "none"}},
        "missing": [],
        "counts": {"severities": {"high": 1, "medium": 0, "low": 0}},
        "links": {"counts": {"ok": 1, "broken": 1}},
        **aggregated,
    }
    return page_of(facts_of(score, findings=findings, links=links, run={"id": "0199"}))


def test_a_finding_shows_its_points_and_its_place() -> None:
    text = re.sub(r"<[^>]+>", "", page([GOOD], LINKS))

    assert "0.0 of 3 points · 0.0 of 100" in text
    assert "page 2" in text
    assert "answers 404: it is not there" in text
    assert "No repository was found. The paper links to none." in text


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    tags = Tags(page([GOOD], LINKS))

    assert tags.loads == []
    assert not {"script", "img", "link", "iframe", "object"} & {*tags.tags}
    assert "default-src 'none'" in page([GOOD], LINKS)


def test_text_of_a_stranger_cannot_become_markup() -> None:
    evidence = (Evidence(EVIL, page=1, url=f"javascript:{EVIL}", file=EVIL),)
    finding = Finding("reporting", EVIL, EVIL, "failed", EVIL, 1, evidence=evidence)
    link = Checked(f"javascript:{EVIL}", "broken", EVIL)
    repository = {"found": False, "tried": [{"url": EVIL, "reason": EVIL}]}
    paper = {"title": EVIL, "scanned": [1], "facts": {EVIL: EVIL}}

    text = page([finding], [link], repository=repository, paper=paper, missing=[EVIL])

    tags = Tags(text)
    assert (tags.loads, tags.handlers) == ([], [])
    assert not {"script", "img"} & {*tags.tags}
    assert text.count("</style>") == 1


@pytest.mark.parametrize("missing", [[], ["ai-checks-repo"]])
def test_a_branch_without_a_result_is_told(missing: list[str]) -> None:
    assert ("Not everything was checked" in page([GOOD], [], missing=missing)) == bool(missing)


def test_a_model_is_named_with_what_was_dropped() -> None:
    methods = {
        "paper": {"method": "model", "pieces": 3, "dropped_quotes": 2},
        "repository": {"method": "rules"},
    }

    assert "by model in 3 pieces; 2 quotes were dropped" in page([GOOD], LINKS, methods=methods)
