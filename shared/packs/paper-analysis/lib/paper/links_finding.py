"""What the answers of links say of a paper."""

from collections.abc import Sequence

from paper.checked import Checked
from paper.finding import Evidence, Finding, by_share

_ALIVE = (0.95, 0.75)  # share of the links that somebody could judge: good, some


def links_finding(results: Sequence[Checked]) -> Finding:
    """Only links that are ok or broken count: for the others nobody knows."""
    title = "Links lead somewhere"
    judged = [each for each in results if each.state in ("ok", "broken")]
    broken = [each for each in judged if each.state == "broken"]
    rest = len(results) - len(judged)
    if not judged:
        said = f"none of {len(results)} links could be judged" if results else "the paper has no links"
        return Finding("openness", "links", title, "unknown", said, 3)
    outcome = by_share(1 - len(broken) / len(judged), good=_ALIVE[0], some=_ALIVE[1])
    said = f"{len(judged) - len(broken)} of {len(judged)} work" + (
        f"; {rest} could not be judged" if rest else ""
    )
    evidence = tuple(Evidence(each.note, page=each.page, url=each.url) for each in broken[:8])
    return Finding("openness", "links", title, outcome, said, 3, evidence=evidence)
