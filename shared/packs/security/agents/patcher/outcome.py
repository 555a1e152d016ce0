"""What the patcher is asked for, and its answer to each: fixed, or left with a reason."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """One rule at one line that a review comment wants fixed, and the findings that this would resolve."""

    rule: str
    file: str
    line: int
    title: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Fixed:
    wanted: Wanted
    change: str
    is_proven: bool = False

    def document(self) -> dict[str, Any]:
        return {**_place(self.wanted), "change": self.change, "proven": self.is_proven}


@dataclass(frozen=True)
class Left:
    wanted: Wanted
    reason: str

    def document(self) -> dict[str, Any]:
        return {**_place(self.wanted), "reason": self.reason}


def _place(wanted: Wanted) -> dict[str, Any]:
    return {
        "rule": wanted.rule,
        "file": wanted.file,
        "line": wanted.line,
        "title": wanted.title,
        "findings": list(wanted.findings),
    }


def wanted_of(comment: dict[str, Any]) -> list[Wanted]:
    """What a review comment asks for: each of its rules. All of its findings are about the same thing."""
    findings = tuple(source["finding"] for source in comment["sources"])
    return [
        Wanted(
            rule=rule,
            file=comment["file"],
            line=comment["line"],
            title=comment["title"],
            findings=findings,
        )
        for rule in dict.fromkeys(source["rule"] for source in comment["sources"])
    ]
