"""The agent paper-score: a score with its parts, every point from one finding."""

from dataclasses import asdict
from typing import Any

from paper.finding import load_findings
from paper.handing import file_in, hand_on
from paper.scoring import score_of, weights_from

from penstock.agents import agent, context


@agent
def score(aggregated: dict[str, Any], weights: dict[str, float] | None = None) -> dict[str, Any]:
    """0 to 100, or null when nothing is known."""
    file = file_in(aggregated, "findings", of="paper-findings")
    result = asdict(score_of(load_findings(file), weights_from(weights or {})))
    context.log(
        f"score {result['score']} ({result['grade']}), {result['coverage']:.0%} of it could be checked"
    )
    links = aggregated.get("links") or {}
    handed = {
        **aggregated,
        "findings": hand_on(str(file)),
        "links": {**links, "file": hand_on(links["file"])} if links else {},
    }
    return {**result, "aggregated": handed}


if __name__ == "__main__":
    score.main()
