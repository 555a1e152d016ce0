"""Which requirements are met: those whose operations are covered by tests that have passed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from delivery.analysis import Analysis, Requirement


@dataclass(frozen=True)
class Verdict:
    """`why` says by which tests, or what is missing."""

    id: str
    level: str
    text: str
    state: Literal["met", "partly", "open"]
    why: str


def verdicts(analysis: Analysis, covered: Mapping[str, str]) -> list[Verdict]:
    """`covered`: what tests cover → "passed" or "failed"."""
    return [_verdict(each, covered) for each in analysis.requirements]


def _verdict(asked: Requirement, covered: Mapping[str, str]) -> Verdict:
    passed = [name for name in asked.covers if covered.get(name) == "passed"]
    missing = [name for name in asked.covers if name not in passed]
    if covered.get(asked.id) == "passed":  # a test was written for this very requirement
        state, why = ("partly", _untested(missing)) if missing else ("met", f"tests of {asked.id} passed")
    elif asked.gap:
        state, why = ("partly" if passed else "open"), asked.gap
    elif missing or not passed:
        state, why = ("partly" if passed else "open"), _untested(missing)
    else:
        state, why = "met", f"tests passed of {', '.join(passed)}"
    return Verdict(asked.id, asked.level, asked.text, state, why)  # type: ignore[arg-type]


def _untested(names: list[str]) -> str:
    return f"no test has passed of {', '.join(names)}" if names else "nothing covers it"
