"""Review comments: the remarks and findings on one line about one thing become one comment, ranked."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import advice
from guard import requirements
from guard.finding import SEVERITIES, Finding, excerpt_of
from lint import Remark

# Rules that the agent patcher can try; it says what it left. A test compares the two lists.
FIXABLE = frozenset({
    "bandit/B113", "bandit/B201", "bandit/B306", "bandit/B324", "bandit/B501", "bandit/B506", "bandit/B602",
    "nginx/headers-dropped", "nginx/old-tls", "nginx/server-tokens", "python/cookie-flags",
})  # fmt: skip
_SECRET = re.compile(r"^(detect-secrets/|bandit/B10[567]|ruff/S10[567])")
_SAME_NUMBER = re.compile(r"^(?:bandit/B|ruff/S)(\d{3})$")


@dataclass(frozen=True)
class Comment:
    """What a reviewer would write at a line. `fix`: automatic (the patcher tries) or manual."""

    id: str
    file: str
    line: int
    severity: str
    confidence: str
    kind: str
    title: str
    why: str
    suggestion: str
    message: str
    excerpt: str
    cwe: str | None
    help: str | None
    fix: str
    sources: tuple[dict[str, Any], ...]

    def document(self, rank: int) -> dict[str, Any]:
        return {"rank": rank, **asdict(self)}


def findings_of(remarks: Sequence[Remark], *, masked: dict[tuple[str, int], str]) -> list[Finding]:
    """Ruff's remarks in the shape of findings. A line that another check quoted with masks stays so."""
    return [
        Finding(
            kind="code",
            rule=f"ruff/{remark.rule}",
            severity=remark.severity,
            confidence="high" if not remark.rule.startswith("S") else "medium",
            file=remark.file.name,
            line=remark.line,
            message=remark.message,
            excerpt=_excerpt(remark, masked=masked),
            help=remark.help,
            data={"fix": "safe"} if remark.is_fixable else {},
        )
        for remark in remarks
    ]


def _excerpt(remark: Remark, *, masked: dict[tuple[str, int], str]) -> str:
    """The line; not where it holds a password that nobody has masked."""
    quoted = masked.get((remark.file.name, remark.line))
    is_secret = _SECRET.match(f"ruff/{remark.rule}") is not None
    return quoted or ("" if is_secret else excerpt_of(remark.file.line(remark.line)))


def merged(findings: Iterable[Finding]) -> list[Comment]:
    """One comment for each place and topic, worst first."""
    groups: dict[tuple[str, int, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.file, finding.line, _topic(finding)].append(finding)
    return sorted((_comment(group) for group in groups.values()), key=_order)


def _topic(finding: Finding) -> str:
    """What a finding is about: the same for a rule that two tools have, and for all that is a secret."""
    if _SECRET.match(finding.rule):
        return "secret"
    match = _SAME_NUMBER.match(finding.rule)
    return match[1] if match else f"{finding.rule} {finding.message}"


def _comment(group: Sequence[Finding]) -> Comment:
    worst = min(group, key=_weight)
    said = advice.of(worst.rule)
    return Comment(
        id=worst.id,
        file=worst.file,
        line=worst.line,
        severity=worst.severity,
        confidence=worst.confidence,
        kind=worst.kind,
        title=_title(worst, said),
        why=said.why if said else worst.message,
        suggestion=said.suggestion if said else "",
        message=worst.message,
        excerpt=worst.excerpt,
        cwe=next((finding.cwe for finding in group if finding.cwe), None),
        help=worst.help,
        fix="automatic" if any(_is_fixable(finding) for finding in group) else "manual",
        sources=tuple(
            {"finding": finding.id, "rule": finding.rule, "message": finding.message, "data": finding.data}
            for finding in sorted(group, key=_weight)
        ),
    )


def _title(finding: Finding, said: advice.Advice | None) -> str:
    """The advice's title, unless the finding itself says more: which header, which license."""
    if finding.rule.endswith("-missing"):
        return finding.message.partition(": ")[0]
    is_general = finding.rule.startswith(("headers/", "licenses/", "osv/"))
    return finding.message if said is None or is_general else said.title


def _is_fixable(finding: Finding) -> bool:
    is_suggested = finding.rule.startswith("headers/") and finding.data.get("server") == "nginx"
    is_upgrade = finding.kind == "vulnerability" and requirements.is_mine(finding.file)
    return finding.rule in FIXABLE or is_suggested or is_upgrade or finding.data.get("fix") == "safe"


def _weight(finding: Finding) -> tuple[bool, int, int]:
    """Ruff speaks last: where another tool has the rule too, that one looked closer."""
    severity, confidence = SEVERITIES.index(finding.severity), SEVERITIES.index(finding.confidence)
    return (finding.rule.startswith("ruff/"), severity, confidence)


def _order(comment: Comment) -> tuple[int, int, int, str, int, str]:
    severity, confidence = SEVERITIES.index(comment.severity), SEVERITIES.index(comment.confidence)
    return (severity, confidence, -len(comment.sources), comment.file, comment.line, comment.title)
