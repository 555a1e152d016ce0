"""The agent code-reviewer: ruff and the findings of the other checks, merged into ranked review comments."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import version
from typing import Any

import comments
import lint
from comments import Comment
from guard import tree
from guard.finding import SEVERITIES, Finding, ranked, shown_inline
from guard.handover import log, source_folder, whole, write_out, written

from penstock.agents import agent

FILES_SHOWN_MAX = 50
Answer = dict[str, Any] | None  # of an earlier node: {} or null where it was skipped or has failed

_FIELDS = {field.name for field in fields(Finding)}


@agent
def review(
    source: str,
    scan: Answer = None,
    licenses: Answer = None,
    headers: Answer = None,
    vulnerabilities: Answer = None,
) -> dict[str, Any]:
    files = tree.read(source_folder(source))
    findings = [found for part in (scan, licenses, headers, vulnerabilities) for found in _findings(part)]
    masked = {
        (found.file, found.line): found.excerpt for found in findings if found.kind in ("secret", "code")
    }
    masked |= {(found.file, found.line): found.excerpt for found in findings if found.kind == "secret"}
    remarks = comments.findings_of(lint.scan(files.with_suffix(".py", ".pyi")), masked=masked)
    made = comments.merged([*findings, *ranked(remarks)])
    log(f"{len(findings)} findings and {len(remarks)} remarks became {len(made)} comments")
    rows = [comment.document(rank) for rank, comment in enumerate(made, start=1)]
    shown, truncated = shown_inline(rows)
    return {
        "comments": shown,
        "truncated": truncated,
        "details": write_out("review.json", written({"comments": rows, "by_file": _by_file(made)})),
        "counts": _counts(made),
        "fixable": sum(comment.fix == "automatic" for comment in made),
        "by_file": _by_file(made)[:FILES_SHOWN_MAX],
        "tools": {"ruff": version("ruff")},
    }


def _findings(answer: Any) -> list[Finding]:
    """The findings of an earlier node; nothing if it was skipped or failed."""
    found = whole(answer).get("findings", [])
    return [Finding(**{key: value for key, value in item.items() if key in _FIELDS}) for item in found]


def _counts(made: Sequence[Comment]) -> dict[str, int]:
    severities = Counter(comment.severity for comment in made)
    return {"total": len(made), **{name: severities[name] for name in SEVERITIES}}


def _by_file(made: Sequence[Comment]) -> list[dict[str, Any]]:
    """A line for each file, the worst first; `made` is ranked, so the first title is the worst."""
    groups: dict[str, list[Comment]] = defaultdict(list)
    for comment in made:
        groups[comment.file].append(comment)
    rows = [{"file": file, **_counts(group), "worst": group[0].title} for file, group in groups.items()]
    return sorted(rows, key=lambda row: ([-row[name] for name in SEVERITIES], row["file"]))


if __name__ == "__main__":
    review.main()
