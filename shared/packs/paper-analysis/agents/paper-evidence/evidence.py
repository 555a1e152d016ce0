"""The agent paper-evidence: links, repositories, statements, statistics and claims of a paper, with their places."""

from dataclasses import asdict
from typing import Any

from paper.document import load_document
from paper.evidence import evidence_in, write_evidence
from paper.handing import file_in, hand_on, out

from penstock.agents import agent, context

REPOSITORIES_MAX = 10  # inline; the file has all


@agent
def evidence(text: dict[str, Any]) -> dict[str, Any]:
    """Everything in the paper that can be checked."""
    document = file_in(text, "document", of="paper-text")
    gathered = evidence_in(load_document(document))
    counts = gathered.counts()
    context.log(f"{counts['links']} links, {counts['repositories']} repositories, {counts['claims']} claims")
    return {
        "document": hand_on(str(document)),
        "evidence": write_evidence(gathered, out("evidence.json")),
        "counts": counts,
        "repositories": [asdict(each) for each in gathered.repositories[:REPOSITORIES_MAX]],
    }


if __name__ == "__main__":
    evidence.main()
