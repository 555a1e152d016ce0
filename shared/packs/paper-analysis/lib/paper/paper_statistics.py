"""Checks of the statistics that a paper reports."""

from collections.abc import Sequence

from paper.finding import Evidence, Finding, Outcome, by_share, quoted
from paper.statistics import Statistic

_EXACT = (0.6, 0.3)  # share of p-values given as a number: good, some


def statistics_findings(statistics: Sequence[Statistic]) -> list[Finding]:
    return [_consistent(statistics), _uncertainty(statistics), _exact(statistics)]


def _consistent(statistics: Sequence[Statistic]) -> Finding:
    """As statcheck does: compute p again from the reported test and its degrees of freedom."""
    title = "Reported p-values follow from their tests"
    checked = [each for each in statistics if each.verdict != "unchecked"]
    if not checked:
        said = "no test with its degrees of freedom and p-value was found, such as t(28) = 2.20, p = .036"
        return Finding("statistics", "consistent", title, "unknown", said, 4)
    wrong = [each for each in checked if each.verdict in ("inconsistent", "decision")]
    reversed_ = [each for each in wrong if each.verdict == "decision"]
    outcome: Outcome = (
        "failed" if reversed_ or len(wrong) > 0.2 * len(checked) else "partly" if wrong else "passed"
    )
    said = f"{len(checked) - len(wrong)} of {len(checked)} agree"
    if reversed_:
        said += f"; {len(reversed_)} would be on the other side of 0.05"
    evidence = tuple(
        Evidence(
            f"{each.text} — computed p = {each.computed:.4g}",
            each.place.page,
            each.place.start,
            each.place.end,
        )
        for each in wrong[:8]
    )
    return Finding("statistics", "consistent", title, outcome, said, 4, evidence=evidence)


def _uncertainty(statistics: Sequence[Statistic]) -> Finding:
    title = "Intervals, spreads or effect sizes are reported"
    shown = [each for each in statistics if each.kind in ("interval", "spread", "effect")]
    if not shown and not any(each.p is not None for each in statistics):
        return Finding("statistics", "uncertainty", title, "unknown", "no statistics were recognised", 2)
    kinds = sorted({each.kind for each in shown})
    outcome = by_share(len(kinds), good=2, some=1)
    said = f"{len(shown)} places: {', '.join(kinds)}" if shown else "p-values stand alone"
    return Finding(
        "statistics", "uncertainty", title, outcome, said, 2, evidence=quoted(each.place for each in shown)
    )


def _exact(statistics: Sequence[Statistic]) -> Finding:
    title = "p-values are given as numbers"
    reported = [each for each in statistics if each.p is not None]
    if not reported:
        return Finding("statistics", "exact", title, "unknown", "no p-values were found", 1)
    # p < .001 is as exact as anybody wants it.
    exact = [each for each in reported if each.relation == "=" or (each.p or 0) <= 0.001]
    outcome = by_share(len(exact) / len(reported), good=_EXACT[0], some=_EXACT[1])
    rest = [each.place for each in reported if each not in exact]
    said = f"{len(exact)} of {len(reported)}"
    return Finding("statistics", "exact", title, outcome, said, 1, evidence=quoted(rest))
