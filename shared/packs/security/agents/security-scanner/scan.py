"""The agent security-scanner: insecure code and leaked secrets in a source tree."""

import json
from dataclasses import replace
from typing import Any

import insecure_code
import leaked_secrets
import tree
from filter import log, serve, source_folder, write_out
from finding import Finding, counts, documents, excerpt_of, ranked, shown_inline


def scan(request: dict[str, Any]) -> dict[str, Any]:
    files = tree.read(source_folder(request))
    log(f"{len(files.files)} files to scan")
    code = insecure_code.scan(files.with_suffix(".py", ".pyi"))
    log(f"{len(code.findings)} findings in Python code")
    secrets, clear = leaked_secrets.scan(files.files)
    log(f"{len(secrets)} secrets")
    findings = ranked([*_masked(code.findings, clear), *secrets])
    shown, truncated = shown_inline(documents(findings))
    return {
        "findings": shown,
        "truncated": truncated,
        "details": write_out("scan.json", json.dumps({"findings": documents(findings)}, indent=1)),
        "counts": counts(findings),
        "files": files.counts(),
        "unparsable": list(code.unparsable)[:100],
        "suppressed": code.suppressed,
        "tools": {"bandit": insecure_code.tool(), "detect-secrets": leaked_secrets.tool()},
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
    serve(scan)
