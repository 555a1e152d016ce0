"""The agent paper-ingest: opens a PDF and says what it is, or why it cannot be read."""

from pathlib import Path
from typing import Any

from paper.opening import facts_of, open_paper

from penstock.agents import agent, context


@agent
def ingest(paper: Path) -> dict[str, Any]:
    """What the PDF is: hash, pages, metadata."""
    facts = facts_of(paper, open_paper(paper))
    context.log(f"{facts['pages']} pages, {facts['bytes']:,} bytes, sha256 {facts['sha256']}")
    return facts


if __name__ == "__main__":
    ingest.main()
