"""What a reviewer says of a change: ruff and bandit on the lines that were changed, and a model if there is one."""

import json
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from delivery.worktree import Tree

COMMENTS_MAX = 60
TOOL_SECONDS_MAX = 120
_RULES = "E4,E7,E9,F,B,C4,SIM,PERF,S3,S5,S6,RET,UP"
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_PATH_FIRST = ("E402", "tests/contract/conftest.py")  # what it imports is found by what stands above
Severity = Literal["blocking", "remark"]


@dataclass(frozen=True)
class Comment:
    """`line` 0: the file as a whole. A blocking one sends the change back to the implementer."""

    file: str
    line: int
    severity: Severity
    text: str
    by: str


def tool_comments(tree: Tree) -> list[Comment]:
    """What ruff and bandit find in the lines of Python that were changed. `noqa` and `nosec` silence nobody."""
    changed = {name: lines for name, lines in changed_lines(tree).items() if name.endswith(".py")}
    present = [name for name in changed if (tree.folder / name).is_file()]
    if not present:
        return []
    found = [*_ruff(tree.folder, present), *_bandit(tree.folder, present)]
    seen = {
        (each.file, each.line, each.text): each for each in found if each.line in changed.get(each.file, ())
    }
    return ordered(seen.values())


def ordered(comments: Iterable[Comment]) -> list[Comment]:
    """The blocking ones first, at most COMMENTS_MAX."""
    return sorted(comments, key=lambda each: (each.severity, each.file, each.line))[:COMMENTS_MAX]


def changed_lines(tree: Tree) -> Mapping[str, set[int]]:
    """File → numbers of its lines that were added or changed since the beginning.

    The lines of each hunk are counted: neither an odd name, nor an attribute of git's (`-diff`), nor a line that looks
    like the head of a diff takes a change out of the review.
    """
    options = ("--no-renames", "--diff-filter=d")
    names = iter(tree.diff("--name-only", "-z", *options).split("\0"))
    found: dict[str, set[int]] = {}
    name, passed = "", 0
    for line in tree.diff("--unified=0", "--text", *options).split("\n"):
        if passed:
            passed -= not line.startswith("\\")  # "\ No newline at end of file"
        elif line.startswith("diff --git "):
            name = next(names)
        elif hunk := _HUNK.match(line):
            start, added = int(hunk[2]), int(hunk[3] or 1)
            found.setdefault(name, set()).update(range(start, start + added))
            passed = added + int(hunk[1] or 1)
    return found


def page(comments: Iterable[Comment], *, number: int, summary: str) -> str:
    """The review as the repository keeps it."""
    lines = [f"# Review {number}", "", summary, ""]
    lines += [
        f"- **{each.severity}** `{each.file}{f':{each.line}' if each.line else ''}` {each.text} ({each.by})"
        for each in comments
    ]
    return "\n".join(lines).rstrip() + "\n"


def _ruff(folder: Path, files: list[str]) -> Iterator[Comment]:
    command = [
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--exit-zero",
        "--ignore-noqa",
        "--output-format=json",
    ]
    for found in _json_of([*command, f"--select={_RULES}", "--target-version=py311", "--", *files], folder):
        code = found["code"] or "invalid-syntax"
        severity: Severity = "blocking" if _is_blocking(code) else "remark"
        name = Path(found["filename"]).relative_to(folder.resolve()).as_posix()
        is_usual = (code.startswith("S") and "tests/" in f"/{name}") or (code, name) == _PATH_FIRST
        if not is_usual:
            yield Comment(name, found["location"]["row"], severity, f"{code}: {found['message']}", "ruff")


def _is_blocking(code: str) -> bool:
    return code.startswith(("E9", "F")) or code in ("B002", "B006", "B023", "invalid-syntax")


def _bandit(folder: Path, files: list[str]) -> Iterator[Comment]:
    command = ["bandit", "--quiet", "--exit-zero", "--ignore-nosec", "--format=json", "--skip=B101"]
    document = _json_of([*command, *(f"./{name}" for name in files)], folder)
    for found in document["results"]:
        severity: Severity = "blocking" if found["issue_severity"] == "HIGH" else "remark"
        text = f"{found['test_id']}: {found['issue_text']}"
        yield Comment(posixpath.normpath(found["filename"]), found["line_number"], severity, text, "bandit")


def _json_of(command: list[str], folder: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command],  # a ruff.py or bandit.py of the tree is not what looks at it
        cwd=folder,
        capture_output=True,
        timeout=TOOL_SECONDS_MAX,
        check=False,
    )
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"{command[0]} gave no report: {done.stderr.decode()[-500:]}") from error
