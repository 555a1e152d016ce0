"""The agent security-scanner: insecure code and leaked secrets in a source tree."""

from dataclasses import replace
from typing import Any

import insecure_code
import leaked_secrets
from guard import tree
from guard.finding import Finding, counts, documents, excerpt_of, ranked, shown_inline
from guard.handover import log, source_folder, write_out, written
from guard.tree import SourceFile
from parallel import in_parts

from penstock.agents import agent

PYTHON = (".py", ".pyi")


@agent
def scan(source: str) -> dict[str, Any]:
    files = tree.read(source_folder(source))
    log(f"{len(files.files)} files to scan")
    largest_first = sorted(files.files, key=lambda file: -file.path.stat().st_size)  # so that parts are equal
    parts = in_parts(_scanned, largest_first)
    findings = ranked([Finding(**finding) for part in parts for finding in part["findings"]])
    log(f"{len(findings)} findings, {sum(part['secrets'] for part in parts)} of them secrets")
    shown, truncated = shown_inline(documents(findings))
    return {
        "findings": shown,
        "truncated": truncated,
        "details": write_out("scan.json", written({"findings": documents(findings)})),
        "counts": counts(findings),
        "files": files.counts(),
        "unparsable": sorted(name for part in parts for name in part["unparsable"])[:100],
        "suppressed": sum(part["suppressed"] for part in parts),
        "tools": {"bandit": insecure_code.tool(), "detect-secrets": leaked_secrets.tool()},
    }


def _scanned(files: list[SourceFile]) -> dict[str, Any]:
    """What was found in some of the files. Secrets never leave the process that reads them: here they are masked."""
    code = insecure_code.scan([file for file in files if file.suffix in PYTHON])
    secrets, clear = leaked_secrets.scan(files)
    return {
        "findings": documents([*_masked(code.findings, clear), *secrets]),
        "secrets": len(secrets),
        "unparsable": code.unparsable,
        "suppressed": code.suppressed,
    }


def _masked(findings: tuple[Finding, ...], clear: dict[str, set[str]]) -> list[Finding]:
    """The findings in code, with the file's secrets hidden in what they quote."""
    return [
        replace(
            finding,
            excerpt=excerpt_of(leaked_secrets.mask(finding.excerpt, secrets=clear.get(finding.file, set()))),
            message=leaked_secrets.mask(finding.message, secrets=clear.get(finding.file, set())),
        )
        for finding in findings
    ]


if __name__ == "__main__":
    scan.main()
