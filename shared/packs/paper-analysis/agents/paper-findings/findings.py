"""The agent paper-findings: all findings of both branches in one list, worst first."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from paper.checked import Checked, counts_of
from paper.finding import Finding, load_findings, plain, write_findings
from paper.handing import hand_on, out
from paper.links_finding import links_finding

from penstock.agents import agent, context

WORST_MAX = 10
_SEVERITIES = ("high", "medium", "low", "none")


@agent
def findings(paper: dict[str, Any], repository: dict[str, Any], states: dict[str, str]) -> dict[str, Any]:
    """One list, each finding once; `missing` names the branches that have no result."""
    links = _links(repository)
    every = [*_findings(paper), *_findings(repository), *([] if links is None else [links_finding(links)])]
    unique = list({each.id: each for each in every}.values())
    ranked = sorted(unique, key=lambda each: (_SEVERITIES.index(each.severity), -each.worth, each.id))
    context.log(f"{len(ranked)} findings")
    return {
        "findings": write_findings(ranked, out("findings.json")),
        "counts": {
            "outcomes": dict(Counter(each.outcome for each in ranked)),
            "severities": {name: sum(each.severity == name for each in ranked) for name in _SEVERITIES[:3]},
        },
        "worst": [plain(each) for each in ranked if each.severity != "none"][:WORST_MAX],
        "missing": [name for name, state in states.items() if state != "succeeded"],
        "paper": paper.get("paper", {}),
        "repository": repository.get("repository", {}),
        "links": {} if links is None else {"file": hand_on(repository["links"]), "counts": counts_of(links)},
        "methods": {
            "paper": {key: value for key, value in paper.items() if key not in ("findings", "paper")},
            "repository": {
                key: value
                for key, value in repository.items()
                if key not in ("findings", "links", "repository")
            },
        },
    }


def _findings(part: dict[str, Any]) -> list[Finding]:
    """Of a branch that has ended well; a skipped one's output is {}."""
    return load_findings(Path(part["findings"])) if part.get("findings") else []


def _links(repository: dict[str, Any]) -> list[Checked] | None:
    if not repository.get("links"):
        return None
    return msgspec.json.decode(Path(repository["links"]).read_bytes(), type=list[Checked])


if __name__ == "__main__":
    findings.main()
