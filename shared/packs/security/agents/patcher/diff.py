"""One unified diff of several files, as `git apply` takes it, and the check that it says what was meant."""

import difflib
import re
from collections.abc import Mapping

import whatthepatch

Change = tuple[str, str]  # before, after

_ODD_NAME = re.compile(r"[^\w./@+ -]")


def can_name(name: str) -> bool:
    """Whether the file's name needs no quoting in a diff."""
    return _ODD_NAME.search(name) is None


def unified(changes: Mapping[str, Change]) -> str:
    return "".join(_one(name, before, after) for name, (before, after) in sorted(changes.items()))


def _one(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    """Lines as git sees them: only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def is_faithful(name: str, change: Change) -> bool:
    """Whether applying the diff to the file gives the changed file, by a parser that is not ours."""
    before, after = change
    parsed = list(whatthepatch.parse_patch(_one(name, before, after)))
    if len(parsed) != 1 or parsed[0].changes is None:
        return False
    try:
        applied = whatthepatch.apply_diff(parsed[0], before)
    except whatthepatch.exceptions.HunkApplyException:
        return False
    return list(applied) == after.splitlines()
