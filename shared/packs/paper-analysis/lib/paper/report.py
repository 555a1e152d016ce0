"""The page: facts about a paper and its score. All text on it is a stranger's: everything is escaped."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from paper.checked import Checked
from paper.finding import Finding, plain

ROWS_MAX = 1_000  # of links on the page; the JSON has all
_FOLDER = Path(__file__).parent / "page"
_LINK_ORDER = ("broken", "unreachable", "not_allowed", "ok")

Json = dict[str, Any]


def facts_of(score: Json, *, findings: Sequence[Finding], links: Sequence[Checked], run: Json) -> Json:
    """What the page and the JSON say."""
    aggregated = score["aggregated"]
    ordered = sorted(links, key=lambda link: (_LINK_ORDER.index(link.state), link.page, link.url))
    return {
        **{key: score[key] for key in ("score", "grade", "coverage", "parts")},
        "paper": {"title": "", "scanned": [], "facts": {}, **aggregated["paper"]},
        "repository": {"found": None, "tried": [], **aggregated["repository"]},
        "methods": aggregated["methods"],
        "missing": aggregated["missing"],
        "counts": aggregated["counts"],
        "findings": [plain(finding) for finding in findings],
        "links": [asdict(link) for link in ordered],
        "link_counts": (aggregated.get("links") or {}).get("counts", {}),
        "run": run,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def page_of(facts: Json) -> str:
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    templates = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
    templates.trim_blocks = templates.lstrip_blocks = True
    templates.tests["web_address"] = is_web_address
    return templates.get_template("page.html.j2").render(
        facts,
        judged_by=_judged_by(facts["methods"]),
        contributions={points["finding"]: points for part in facts["parts"] for points in part["points"]},
        rows_max=ROWS_MAX,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _judged_by(methods: Json) -> str:
    """Who has judged, in one sentence, and what of it was left out."""
    paper, repository = methods.get("paper", {}), methods.get("repository", {})
    said = f"The paper was judged by {paper.get('method', 'nobody')}"
    if paper.get("method") == "model":
        said += (
            f" in {paper['pieces']} pieces; {paper['dropped_quotes']} quotes were dropped: they are not in it"
        )
    if "model_error" in paper:
        said += f" (the model could not do it: {paper['model_error']})"
    if paper.get("pieces_left_out"):
        said += f"; {paper['pieces_left_out']} pieces at the end were left out"
    return f"{said}. The repository was judged by {repository.get('method', 'nobody').replace('none', 'nobody')}."


def is_web_address(text: str) -> bool:
    """Whether the page may make a link of it: never of javascript: and the like."""
    return urlsplit(text).scheme in ("http", "https")
