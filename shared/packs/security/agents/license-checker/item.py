"""One thing that has a license: a file of the tree, the project itself, or a dependency that it declares."""

from dataclasses import dataclass
from typing import Any

from guard.finding import Finding
from policy import ALLOWED, DENIED, REVIEW, STRONG, Ruling

HELP = "Ask the owner for another license, replace it, or change the license policy."
_SAID = {DENIED: "is not allowed", REVIEW: "needs a person's look"}


@dataclass(frozen=True)
class Item:
    """`alternatives` are the license's readings as SPDX expressions; none: unknown. `written`: as found."""

    kind: str  # file | header | project | dependency
    name: str
    alternatives: tuple[str, ...]
    evidence: str
    file: str
    line: int
    written: str = ""

    def license(self) -> str:
        return " or ".join(self.alternatives) or self.written or "unknown"

    def document(self, ruling: Ruling) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "license": self.license(),
            "verdict": ruling.verdict,
            "evidence": self.evidence + _why(ruling),
            "file": self.file,
            "line": self.line,
        }

    def finding(self, ruling: Ruling) -> Finding | None:
        """A license that is denied, has to be reviewed, or that nobody knows; None for an allowed one."""
        if ruling.verdict == ALLOWED:
            return None
        said = _SAID.get(ruling.verdict, "cannot be judged")
        return Finding(
            kind="license",
            rule=f"licenses/{ruling.verdict}",
            severity=self._severity(ruling),
            confidence="high" if ruling.verdict in _SAID else "medium",
            file=self.file,
            line=self.line,
            message=f"{self.kind} {self.name}: license {self.license()} {said} ({self.evidence}{_why(ruling)})",
            help=HELP,
        )

    def _severity(self, ruling: Ruling) -> str:
        """A copyleft that reaches the whole program weighs more than one that stays in its file or library."""
        is_strong = any(STRONG.match(text) for text in self.alternatives)
        if ruling.verdict == DENIED:
            return "high" if is_strong else "medium"
        return "medium" if ruling.verdict == REVIEW else "low"


def _why(ruling: Ruling) -> str:
    if ruling.exception is None:
        return ""
    if ruling.has_expired:
        return f"; its exception ended on {ruling.exception.expires}"
    return f"; excepted until {ruling.exception.expires}: {ruling.exception.reason}"
