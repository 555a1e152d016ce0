"""The blueprints of the pack, and which of them fits: by the words of the requirements, or by a model's choice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from delivery.analysis import Analysis

FOLDER = Path(__file__).parent / "blueprints"
FALLBACK = "library"


class NoBlueprint(Exception):
    """No blueprint scores enough; the message has the scores."""


@dataclass(frozen=True)
class Blueprint:
    """`words` are worth points where the requirements say them; below `least` the blueprint is not taken."""

    name: str
    description: str
    language: str
    binding: str
    words: Mapping[str, int]
    least: int
    files: Mapping[str, str]
    tests: Mapping[str, str]


@dataclass(frozen=True)
class Choice:
    """Which blueprint, why, and what each scored. `by` says who chose it."""

    name: str
    reason: str
    by: str
    scores: dict[str, int] = field(default_factory=dict)


@cache
def known() -> dict[str, Blueprint]:
    """All blueprints by name. One that extends another has its files too, or its own instead."""
    written = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.yaml")}
    return {name: _whole(each, written) for name, each in sorted(written.items())}


def _whole(each: dict[str, Any], written: Mapping[str, dict[str, Any]]) -> Blueprint:
    extended = written.get(each.get("extends", ""), {})
    files = {key: {**extended.get(key, {}), **each.get(key, {})} for key in ("files", "tests")}
    own = {key: value for key, value in each.items() if key != "extends"}
    return Blueprint(**{**own, **files})


def scores(analysis: Analysis, language: str = "python") -> dict[str, int]:
    """What each blueprint scores: its words, each counted once, in the title, the summary and all requirements."""
    texts = [analysis.title, analysis.summary, *(each.text for each in analysis.requirements)]
    text = " ".join(texts).lower()
    return {
        name: sum(points for word, points in each.words.items() if re.search(rf"\b{re.escape(word)}\b", text))
        for name, each in known().items()
        if each.language == language
    }


def choose(analysis: Analysis, language: str = "python") -> Choice:
    """The blueprint with the best score; raises NoBlueprint when none scores enough."""
    found = scores(analysis, language)
    fit = [name for name, points in found.items() if points >= known()[name].least]
    if not fit:
        raise NoBlueprint(f"no blueprint scores enough: {_told(found)}")
    best = max(fit, key=lambda name: found[name])
    return Choice(best, f"its words are in the requirements: {_told(found)}", "rules", found)


def fallback(analysis: Analysis) -> Choice:
    """What is taken when the choice failed: the blueprint that fits everything, without a door."""
    found = scores(analysis)
    reason = f"the selection gave no blueprint, so it is '{FALLBACK}', which fits any; scores: {_told(found)}"
    return Choice(FALLBACK, reason, "fallback", found)


def _told(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {points} of {known()[name].least}" for name, points in found.items())
