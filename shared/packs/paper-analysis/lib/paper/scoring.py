"""A score from 0 to 100 with its parts. Every point is one finding's; what nobody could check is told apart.

A part's score is what its findings earned of what they could have earned, unknown ones left out. The score is the
mean of the parts by weight, parts without any known finding left out. `coverage` says how much was known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paper.finding import PARTS, Finding
from penstock.agents import Invalid

WEIGHTS: dict[str, float] = {
    "reporting": 3,
    "statistics": 2,
    "reproducibility": 2,
    "openness": 3,
    "repository": 3,
    "match": 2,
}
_GRADES = ((85, "A"), (70, "B"), (55, "C"), (40, "D"), (0, "E"))
_WEIGHT_MAX = 100.0


@dataclass(frozen=True)
class Points:
    """What one finding adds: `contributed` is of the whole score's 100 points, `possible` the most it could be."""

    finding: str
    title: str
    outcome: str
    earned: float
    worth: float
    contributed: float
    possible: float


@dataclass(frozen=True)
class Part:
    name: str
    title: str
    weight: float
    score: float | None
    earned: float
    worth: float
    unknown: float
    points: tuple[Points, ...]


@dataclass(frozen=True)
class Score:
    """`score` is None when nothing was known. `grade` is A (85 and more) to E (below 40)."""

    score: float | None
    grade: str | None
    coverage: float
    parts: tuple[Part, ...]


def weights_from(given: Mapping[str, float]) -> dict[str, float]:
    """The usual weights with those that the input gives instead."""
    problems = [
        f"weights.{name}: there is no such part, expected one of {', '.join(WEIGHTS)}"
        for name in given
        if name not in WEIGHTS
    ]
    problems += [
        f"weights.{name}: expected a number from 0 to {_WEIGHT_MAX:.0f}, got {weight}"
        for name, weight in given.items()
        if name in WEIGHTS and not 0 <= weight <= _WEIGHT_MAX
    ]
    weights = {**WEIGHTS, **given}
    if not problems and not any(weights.values()):
        problems = ["weights: at least one part must weigh something"]
    if problems:
        raise Invalid("; ".join(problems))
    return weights


def score_of(findings: Sequence[Finding], weights: Mapping[str, float]) -> Score:
    known = {part: sum(each.worth for each in _of(findings, part, known=True)) for part in PARTS}
    total = sum(weights[part] for part in PARTS if known[part])
    share = {part: weights[part] / total if known[part] and total else 0.0 for part in PARTS}
    parts = tuple(_part(findings, part, weights[part], share[part]) for part in PARTS)
    score = (
        round(sum(each.score * share[each.name] for each in parts if each.score is not None), 1)
        if total
        else None
    )
    grade = None if score is None else next(letter for least, letter in _GRADES if score >= least)
    return Score(score, grade, _coverage(findings, weights), parts)


def _part(findings: Sequence[Finding], name: str, weight: float, share: float) -> Part:
    known = _of(findings, name, known=True)
    worth, earned = sum(each.worth for each in known), sum(each.earned for each in known)
    points = tuple(
        Points(
            finding=each.id,
            title=each.title,
            outcome=each.outcome,
            earned=each.earned,
            worth=each.worth,
            contributed=round(100 * share * each.earned / worth, 2) if each in known else 0.0,
            possible=round(100 * share * each.worth / worth, 2) if each in known else 0.0,
        )
        for each in [*known, *_of(findings, name, known=False)]
    )
    unknown = sum(each.worth for each in _of(findings, name, known=False))
    score = round(100 * earned / worth, 1) if worth else None
    return Part(name, PARTS[name], weight, score, earned, worth, unknown, points)


def _coverage(findings: Sequence[Finding], weights: Mapping[str, float]) -> float:
    """The share of the weight for which something was known; a part without any finding is unknown whole."""
    known = 0.0
    for part in PARTS:
        yes, no = (sum(each.worth for each in _of(findings, part, known=state)) for state in (True, False))
        known += weights[part] * (yes / (yes + no) if yes else 0.0)
    return round(known / sum(weights.values()), 3)


def _of(findings: Sequence[Finding], part: str, *, known: bool) -> list[Finding]:
    return [
        each for each in findings if each.part == part and each.worth and (each.outcome != "unknown") == known
    ]
