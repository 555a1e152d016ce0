"""A finding, the shape that all checks answer with."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

SEVERITIES = ("high", "medium", "low")
EXCERPT_CHARS_MAX = 160
INLINE_BYTES_MAX = 32 * 1024  # six such lists fit into the input of the node that takes them all (256 KiB)


@dataclass(frozen=True)
class Finding:
    """One problem at one place.

    `rule` is "<tool>/<the tool's rule>". `excerpt` is the line with every secret masked.
    `data` is what an automated fix needs to know; most findings have none.
    """

    kind: str  # code | secret | header | configuration | license | vulnerability
    rule: str
    severity: str
    confidence: str
    file: str
    line: int
    message: str
    excerpt: str = ""
    cwe: str | None = None
    help: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    id: str = ""


def excerpt_of(line: str) -> str:
    text = line.strip()
    return text if len(text) <= EXCERPT_CHARS_MAX else text[: EXCERPT_CHARS_MAX - 1] + "…"


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first, each with its id: the same problem keeps its id when lines are added above it."""
    seen: Counter[tuple[str, ...]] = Counter()
    named = []
    for finding in sorted(findings, key=lambda item: (item.file, item.line, item.rule, item.message)):
        facts = (finding.rule, finding.file, finding.excerpt, finding.message)
        seen[facts] += 1
        named.append(replace(finding, id=_digest(*facts, str(seen[facts]))))
    return sorted(named, key=_order)


def _digest(*facts: str) -> str:
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]


def _order(finding: Finding) -> tuple[int, int, str, int, str]:
    confidence = SEVERITIES.index(finding.confidence)
    return (SEVERITIES.index(finding.severity), confidence, finding.file, finding.line, finding.rule)


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    severities = Counter(finding.severity for finding in findings)
    return {"total": len(findings), **{name: severities[name] for name in SEVERITIES}}


def documents(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [asdict(finding) for finding in findings]


def shown_inline(items: Sequence[Any], *, bytes_max: int = INLINE_BYTES_MAX) -> tuple[list[Any], int]:
    """The first items that stay below the inline limit, and how many were left to the details file."""
    room = bytes_max
    shown: list[Any] = []
    for item in items:
        room -= len(json.dumps(item)) + 2
        if room < 0:
            break
        shown.append(item)
    return shown, len(items) - len(shown)
