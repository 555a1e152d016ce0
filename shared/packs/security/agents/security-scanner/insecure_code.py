"""Insecure Python code, found by bandit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from bandit.core import docs_utils, issue
from guard.finding import Finding, excerpt_of
from guard.insecure import checked
from guard.tree import SourceFile

# `assert`, the mere import of subprocess, pickle or an XML parser, and a subprocess without a shell are no
# problem by themselves; what is done with them has checks of its own.
CHECKS_SKIPPED = {"B101", "B403", "B404", "B405", "B406", "B407", "B408", "B409", "B603"}
PASSWORD_CHECKS = {"B105", "B106", "B107"}  # their message and line hold the password itself

_QUOTED = re.compile(r"(['\"])(?:(?!\1).)*\1")
_ONE_LOWER = {"high": "medium", "medium": "low", "low": "low"}


@dataclass(frozen=True)
class CodeScan:
    """`suppressed` counts what the tree's authors switched off with `# nosec`."""

    findings: tuple[Finding, ...]
    unparsable: tuple[str, ...]
    suppressed: int


def scan(files: Sequence[SourceFile]) -> CodeScan:
    by_path = {str(file.path): file for file in files}
    checker = checked(file.path for file in files)
    totals = checker.metrics.data["_totals"]
    return CodeScan(
        findings=tuple(
            _finding(found, file=by_path[found.fname])
            for found in checker.get_issue_list()
            if found.test_id not in CHECKS_SKIPPED
        ),
        unparsable=tuple(by_path[path].name for path, _ in checker.skipped if path in by_path),
        suppressed=totals.get("nosec", 0) + totals.get("skipped_tests", 0),
    )


def _finding(found: issue.Issue, *, file: SourceFile) -> Finding:
    line, message = file.line(found.lineno), found.text
    if found.test_id in PASSWORD_CHECKS:
        line, message = _QUOTED.sub("'********'", line), _QUOTED.sub("'********'", message)
    severity = found.severity.lower()
    return Finding(
        kind="code",
        rule=f"bandit/{found.test_id}",
        severity=_ONE_LOWER[severity] if file.is_test else severity,
        confidence=found.confidence.lower(),
        file=file.name,
        line=found.lineno,
        message=message,
        excerpt=excerpt_of(line),
        cwe=f"CWE-{found.cwe.id}" if found.cwe.id else None,
        help=docs_utils.get_url(found.test_id),
    )


def tool() -> str:
    return version("bandit")
