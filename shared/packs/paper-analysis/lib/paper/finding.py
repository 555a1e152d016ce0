"""What a check has found. Every point of the score comes from one finding, and every finding says where it looked."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from paper.flow import Place

Outcome = Literal["passed", "partly", "failed", "unknown", "note"]
SHARES: dict[str, float] = {"passed": 1.0, "partly": 0.5, "failed": 0.0}
EVIDENCE_MAX = 8  # places that one finding shows; `explanation` says how many there are
PARTS = {
    "reporting": "What the paper reports",
    "statistics": "Statistics",
    "reproducibility": "Reproducibility as described",
    "openness": "Data, code and links",
    "repository": "The repository",
    "match": "Paper and repository",
}


@dataclass(frozen=True)
class Evidence:
    """A place in the paper (page, offsets in its text), in the repository (file, line), or a link."""

    quote: str = ""
    page: int = 0
    start: int = 0
    end: int = 0
    file: str = ""
    line: int = 0
    url: str = ""


@dataclass(frozen=True)
class Finding:
    """`worth`: the points that the check can earn; 0 for a note. An unknown outcome neither earns nor costs."""

    part: str
    check: str
    title: str
    outcome: Outcome
    explanation: str
    worth: float = 0.0
    method: Literal["rules", "model"] = "rules"
    evidence: tuple[Evidence, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.part}.{self.check}"

    @property
    def earned(self) -> float:
        return self.worth * SHARES.get(self.outcome, 0.0)

    @property
    def severity(self) -> str:
        """How much it matters that the check failed; "none" if it did not."""
        lost = self.worth - self.earned
        if self.outcome not in ("failed", "partly"):
            return "none"
        return "high" if lost >= 3 else "medium" if lost >= 1.5 else "low"


def quoted(places: Iterable[Place]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(each.quote, each.page, each.start, each.end) for each in list(places)[:EVIDENCE_MAX]
    )


def by_share(share: float, *, good: float, some: float) -> Outcome:
    return "passed" if share >= good else "partly" if share >= some else "failed"


def plain(finding: Finding) -> dict[str, Any]:
    derived = {"id": finding.id, "earned": finding.earned, "severity": finding.severity}
    return {**derived, **asdict(finding), "evidence": [_short(each) for each in finding.evidence]}


def write_findings(findings: Sequence[Finding], path: Path) -> str:
    path.write_text(json.dumps([plain(each) for each in findings], ensure_ascii=False), encoding="utf-8")
    return str(path)


def load_findings(path: Path) -> list[Finding]:
    return msgspec.json.decode(path.read_bytes(), type=list[Finding])


def _short(evidence: Evidence) -> dict[str, Any]:
    """Without what does not apply."""
    return {name: value for name, value in asdict(evidence).items() if value not in ("", 0)}
