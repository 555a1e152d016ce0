"""The agent paper-repository-checks: can somebody else run this repository, and is it this paper's?"""

import json
from pathlib import Path
from typing import Any

from paper.document import Document, load_document
from paper.evidence import Evidence, flows_of, load_evidence
from paper.finding import Finding, write_findings
from paper.handing import file_in, hand_on, out
from paper.matching import match_findings
from paper.repository_model import summary_of
from paper.repository_rules import repository_findings
from paper.repository_tree import RepositoryTree

from penstock.agents import (
    BudgetSpent,
    Invalid,
    LimitReached,
    NotAllowed,
    NotAuthenticated,
    agent,
    context,
    llm,
)

_TOLD = ("found", "source", "url", "commit", "committed_at", "files", "bytes", "left_out", "tried")


@agent
def checks(repository: dict[str, Any], use_model: bool = True) -> dict[str, Any]:
    """Findings about the repository and how it fits the paper; none if no repository was found."""
    document = load_document(file_in(repository, "document", of="paper-repository"))
    gathered = load_evidence(file_in(repository, "evidence", of="paper-repository"))
    findings, how = _findings(repository, document, gathered, use_model=use_model)
    context.log(f"{len(findings)} findings by {how['method']}")
    return {
        "findings": write_findings(findings, out("repository-findings.json")),
        "links": hand_on(str(file_in(repository, "links", of="paper-repository"))),
        "repository": {key: repository[key] for key in _TOLD if key in repository},
        **how,
    }


def _findings(
    repository: dict[str, Any], document: Document, gathered: Evidence, *, use_model: bool
) -> tuple[list[Finding], dict[str, Any]]:
    if not repository["found"]:
        return [], {"method": "none"}
    paths = json.loads(file_in(repository, "paths", of="paper-repository").read_text(encoding="utf-8"))
    tree = RepositoryTree(Path(repository["tree"]), paths)
    findings = [*repository_findings(tree), *match_findings(document, gathered, flows_of(document), tree)]
    if not use_model or not llm.models():
        return findings, {"method": "rules"}
    try:
        summary, dropped = summary_of(tree, title=document.title)
    except BudgetSpent:
        raise
    except (Invalid, LimitReached, NotAllowed, NotAuthenticated) as error:
        context.log(f"without a summary: {error}")
        return findings, {"method": "rules", "model_error": str(error)[:500]}
    return [*findings, summary], {"method": "model", "dropped_files": dropped}


if __name__ == "__main__":
    checks.main()
