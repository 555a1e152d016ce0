"""The diff as the page shows it: lines with their class, and secrets in the context hidden."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HUNK = re.compile(r"^@@ -(\d+)")
_CLASSES = {"+": "added", "-": "removed", "@": "hunk", " ": "context", "\\": "note"}


@dataclass(frozen=True)
class Line:
    kind: str
    text: str


@dataclass(frozen=True)
class Diff:
    """`is_masked`: at least one line differs from the patch, so what is shown cannot be applied."""

    lines: tuple[Line, ...]
    is_masked: bool


def shown(patch: str, *, masked: Mapping[tuple[str, int], str]) -> Diff:
    """`masked` maps (file, line) of each secret, in the tree as it was, to its masked line."""
    lines: list[Line] = []
    name, number, is_masked = "", 0, False
    for text in patch.split("\n"):
        hunk = _HUNK.match(text)
        if text.startswith("--- a/"):
            name, kind = text.removeprefix("--- a/").split("\t")[0], "file"
        elif text.startswith("+++ b/"):
            kind = "file"
        else:
            kind = _CLASSES.get(text[:1], "context")
        if kind in ("context", "removed") and (name, number) in masked:
            text, is_masked = text[:1] + masked[name, number], True
        lines.append(Line(kind, text))
        number = int(hunk[1]) if hunk else number + (kind in ("context", "removed"))
    return Diff(tuple(lines[:-1] if patch.endswith("\n") else lines), is_masked)
