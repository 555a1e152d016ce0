"""One thing that has a license: a file of the tree, the project itself, or a dependency that it declares."""

from dataclasses import dataclass
from typing import Any

from finding import Finding
from policy import ALLOWED, DENIED, STRONG, Policy

HELP = "Ask the owner for another license, replace it, or add the license to allowed_licenses."


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

    def document(self, policy: Policy) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "license": self.license(),
            "verdict": policy.verdict(self.alternatives),
            "evidence": self.evidence,
            "file": self.file,
            "line": self.line,
        }

    def finding(self, policy: Policy) -> Finding | None:
        """A denied license, or one that nobody knows; None for an allowed one.

        A copyleft that reaches the whole program weighs more than one that stays in its file or library.
        """
        verdict = policy.verdict(self.alternatives)
        if verdict == ALLOWED:
            return None
        is_denied = verdict == DENIED
        is_strong = any(STRONG.match(text) for text in self.alternatives)
        reason = "is not on the allow-list" if is_denied else "cannot be judged"
        return Finding(
            kind="license",
            rule=f"licenses/{verdict}",
            severity=("high" if is_strong else "medium") if is_denied else "low",
            confidence="high" if is_denied else "medium",
            file=self.file,
            line=self.line,
            message=f"{self.kind} {self.name}: license {self.license()} {reason} ({self.evidence})",
            help=HELP,
        )
