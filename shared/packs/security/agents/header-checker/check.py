"""The agent header-checker: security headers and risky settings in the configuration of a source tree."""

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import caddy
import compose
import cookies
import nginx
import pages
from guard import tree
from guard.finding import Finding, counts, documents, ranked, shown_inline
from guard.handover import log, source_folder, write_out, written
from guard.tree import SourceFile, Tree

from penstock.agents import agent


@agent
def check(source: str) -> dict[str, Any]:
    files = tree.read(source_folder(source))
    checked: Counter[str] = Counter()
    findings = ranked(found for file in files.files for found in _in_file(file, tree=files, checked=checked))
    log(f"{len(findings)} findings in {sum(checked.values())} files")
    shown, truncated = shown_inline(documents(findings))
    return {
        "findings": shown,
        "truncated": truncated,
        "details": write_out("headers.json", written({"findings": documents(findings)})),
        "counts": counts(findings),
        "checked": dict(sorted(checked.items())),
        "files": files.counts(),
        "tools": {"crossplane": version("crossplane"), "pyyaml": version("pyyaml")},
    }


def _in_file(file: SourceFile, *, tree: Tree, checked: Counter[str]) -> Iterator[Finding]:
    if nginx.is_mine(file):
        checked["nginx"] += 1
        yield from nginx.scan(file, tree=tree)
    for name, kind in (("caddy", caddy), ("compose", compose), ("html", pages), ("python", cookies)):
        if kind.is_mine(file):
            checked[name] += 1
            yield from kind.scan(file)


if __name__ == "__main__":
    check.main()
