"""The agent change-reader: what a change touches, as a small tree that the checks can take, and its new lines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import origins
from guard.change import FileChange, binaries, is_inside, parse
from guard.finding import shown_inline
from guard.handover import Refused, log, source_folder, write_out
from guard.tree import FILE_BYTES_MAX
from origins import Origin

from penstock.agents import agent, context

FILES_MAX = 3_000  # more is an import of foreign code, which nobody reviews line by line


@agent
def read(
    repository: str | None = None,
    diff: str | None = None,
    before: str | None = None,
    history: str | None = None,
    base: str | None = None,
    head: str | None = None,
) -> dict[str, Any]:
    origin = _origin(repository, diff=diff, before=before, history=history, revisions=(base, head))
    changes = [change for change in parse(origin.diff) if is_inside(change.name)]
    if len(changes) > FILES_MAX:
        raise Refused(f"the change has {len(changes):,} files and the limit is {FILES_MAX:,}: split it")
    left_out = [*_write_tree(changes, origin), *binaries(origin.diff)]
    files = [_document(change) for change in changes]
    log(f"{len(files)} changed files, {sum(len(change.added) for change in changes)} new lines")
    shown, truncated = shown_inline([{**file, "lines": len(file["lines"])} for file in files])
    facts = {"base": origin.base, "head": origin.head}
    return {
        "tree": str(context.out_folder / "tree"),
        "diff": write_out("change.diff", origin.diff),
        "files": shown,
        "truncated": truncated,
        "details": write_out("change.json", json.dumps({"files": files, **facts})),
        "left_out": left_out[:100],
        "counts": {"files": len(files), "lines": sum(len(change.added) for change in changes)},
        **facts,
    }


def _origin(
    repository: str | None,
    *,
    diff: str | None,
    before: str | None,
    history: str | None,
    revisions: tuple[str | None, str | None],
) -> Origin:
    """By what was given; exactly one way."""
    base, head = revisions
    ways = [name for name, given in (("diff", diff), ("before", before), ("base", base)) if given]
    if len(ways) != 1:
        raise Refused(
            "expected one of: `diff` (a unified diff), `before` (the tree as it was), "
            f"`base` (a revision of the history); got {' and '.join(ways) or 'none'}"
        )
    if base:
        where = Path(history) if history else source_folder(repository or "")
        return origins.of_history(where, base=base, head=head or "HEAD")
    root = source_folder(repository or "")
    if diff:
        return origins.of_diff(Path(diff), root=root)
    return origins.of_trees(Path(before or ""), root=root)


def _write_tree(changes: Sequence[FileChange], origin: Origin) -> list[str]:
    """The changed files as they become; the names of those that are too large or binary."""
    folder = context.out_folder / "tree"
    folder.mkdir(parents=True)
    left_out = []
    for change in changes:
        content = origin.text_of(change)
        if content is None or len(content) > FILE_BYTES_MAX:
            left_out += [] if change.status == "emptied" else [change.name]
            continue
        path = folder / change.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return left_out


def _document(change: FileChange) -> dict[str, Any]:
    return {
        "file": change.name,
        "old_file": change.old_name,
        "status": change.status,
        "lines": sorted(change.added),
    }


if __name__ == "__main__":
    read.main()
