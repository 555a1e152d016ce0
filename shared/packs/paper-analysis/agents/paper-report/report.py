"""The agent paper-report: one HTML page that loads nothing, and its facts as JSON."""

import json
from pathlib import Path
from typing import Any

import msgspec
from paper.checked import Checked
from paper.finding import load_findings
from paper.handing import file_in, out
from paper.report import facts_of, page_of

from penstock.agents import agent, context


@agent
def report(score: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """The page for people and the JSON for programs."""
    aggregated = score["aggregated"]
    findings = load_findings(file_in(aggregated, "findings", of="paper-score"))
    file = (aggregated.get("links") or {}).get("file")
    links = msgspec.json.decode(Path(file).read_bytes(), type=list[Checked]) if file else []
    facts = facts_of(score, findings=findings, links=links, run=run)
    page, data = out("report.html"), out("report.json")
    page.write_text(page_of(facts), encoding="utf-8")
    data.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
    context.log(f"a page of {page.stat().st_size // 1024} KiB")
    return {"path": str(page), "json": str(data), "score": facts["score"], "grade": facts["grade"]}


if __name__ == "__main__":
    report.main()
