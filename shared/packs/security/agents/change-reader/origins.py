"""The three ways to hand over a change: a diff, the tree before, two revisions of a Git history."""

import difflib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from guard import tree
from guard.change import FileChange, is_inside, parse
from guard.handover import Refused
from guard.tree import FILE_BYTES_MAX, SourceFile

DIFF_BYTES_MAX = 32 * 1024 * 1024
GIT_SECONDS_MAX = 240

# Of a foreign history nothing may be run: no hook, no external diff, no file system monitor.
_GIT = (
    "git",
    "-c",
    "core.fsmonitor=",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "attr.tree=none",
    "-c",
    "safe.directory=*",
)
_DIFF = (
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "-M",
    "-U3",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
_REVISION = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_./@^~{}-]*$")  # never an option


@dataclass(frozen=True)
class Origin:
    """`text_of` gives a file as it becomes. `base` and `head` are commits, where there are any."""

    diff: str
    text_of: Callable[[FileChange], bytes | None]
    base: str | None = None
    head: str | None = None


def of_diff(diff: Path, *, root: Path) -> Origin:
    if not diff.is_file() or diff.stat().st_size > DIFF_BYTES_MAX:
        raise Refused(f"diff: expected a unified diff of at most 32 MiB, got '{diff.name}'")
    text = diff.read_bytes().decode("utf-8", errors="replace")
    if text.strip() and not parse(text) and "Binary files" not in text and "old mode" not in text:
        raise Refused(f"diff: '{diff.name}' is no unified diff; make one with git diff")
    return Origin(text, lambda change: _after(change, root=root))


def _after(change: FileChange, *, root: Path) -> bytes | None:
    """The file as it becomes, from a tree that has the change already, or not yet."""
    changed = _lines(root, change.name)
    if changed is not None and _fits(changed, change.after()):
        return "\n".join(changed).encode()
    old = [] if change.old_name is None else _lines(root, change.old_name)
    if old is not None and _fits(old, change.before()):
        return "\n".join(_applied(change, old)).encode()
    if change.status == "emptied":
        return None
    raise Refused(
        f"diff: {change.name} fits neither before nor after the change; is the diff of another revision?"
    )


def _lines(root: Path, name: str) -> list[str] | None:
    path = root / name
    if not is_inside(name) or not path.resolve().is_relative_to(root) or not path.is_file():
        return None
    return path.read_bytes().decode("utf-8", errors="replace").split("\n")


def _fits(lines: list[str], expected: Iterator[tuple[int, str]]) -> bool:
    """Whether the numbered lines stand where they should; a carriage return at the end does not count."""
    return all(
        0 < number <= len(lines) and lines[number - 1].rstrip("\r") == text.rstrip("\r")
        for number, text in expected
    )


def _applied(change: FileChange, old: list[str]) -> list[str]:
    """The hunks in place of what they replace."""
    result: list[str] = []
    taken = 0
    for edit in change.edits:
        if edit.new is not None:
            missing = edit.new - 1 - len(result)
            result += old[taken : taken + missing]
            taken += missing
            result.append(edit.text)
        if edit.old is not None:
            result += old[taken : edit.old - 1]
            taken = edit.old
    return result + old[taken:]


def of_trees(before: Path, *, root: Path) -> Origin:
    """The difference of two trees, line by line; files that no check reads are left out."""
    if not before.is_dir():
        raise Refused("before: expected a folder with the tree as it was")
    old, new = (_by_name(folder) for folder in (before, root))
    changed = [name for name in sorted(old.keys() | new.keys()) if _bytes(old, name) != _bytes(new, name)]
    diff = "".join(line for name in changed for line in _compared(name, old, new))
    return Origin(diff, lambda change: _bytes(new, change.name))


def _by_name(root: Path) -> dict[str, SourceFile]:
    return {file.name: file for file in tree.read(root.resolve()).files}


def _bytes(files: dict[str, SourceFile], name: str) -> bytes | None:
    return files[name].path.read_bytes() if name in files else None


def _compared(name: str, old: dict[str, SourceFile], new: dict[str, SourceFile]) -> Iterator[str]:
    """As git writes it. A missing line end is left unsaid: nobody applies this diff."""
    before, after = (_text(name, files).removesuffix("\n") for files in (old, new))
    names = (f"a/{name}" if name in old else "/dev/null", f"b/{name}" if name in new else "/dev/null")
    lines = [text.split("\n") if text else [] for text in (before, after)]
    for line in difflib.unified_diff(*lines, *names, lineterm=""):
        yield line + "\n"


def _text(name: str, files: dict[str, SourceFile]) -> str:
    return files[name].text() if name in files else ""


def of_history(history: Path, *, base: str, head: str) -> Origin:
    """What `head` has that `base` has not: since they parted, as a pull request shows it."""
    for name, revision in (("base", base), ("head", head)):
        if not _REVISION.match(revision):
            raise Refused(f"{name}: expected a branch, tag or commit, got '{revision}'")
    repository = _opened(history)
    commits = [_commit(repository, name, revision) for name, revision in (("base", base), ("head", head))]
    parted = _git(repository, "merge-base", *commits).decode().strip() or commits[0]
    diff = _git(repository, *_DIFF, parted, commits[1], "--").decode("utf-8", errors="replace")
    return Origin(
        diff, lambda change: _shown(repository, commits[1], change.name), base=parted, head=commits[1]
    )


def _opened(history: Path) -> Path:
    """A folder with .git, or a bundle: one file with a whole history (`git bundle create`)."""
    if shutil.which("git") is None:
        raise Refused("base: comparing revisions needs git on the runner's machine; give a diff instead")
    if history.is_dir():
        if not (history / ".git").exists() and not (history / "HEAD").exists():
            raise Refused("base: the repository has no .git; give `history`, a file of `git bundle create`")
        return history
    target = Path(tempfile.mkdtemp(prefix="history-"))
    done = _run("clone", "--quiet", "--bare", "--no-hardlinks", str(history), str(target / "repository.git"))
    if done.returncode:
        raise Refused(f"history: '{history.name}' is no git bundle: {_said(done)}")
    return target / "repository.git"


def _commit(repository: Path, field: str, revision: str) -> str:
    done = _run(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", at=repository
    )
    if done.returncode:
        names = _git(repository, "for-each-ref", "--format=%(refname:short)", "--count=10").decode().split()
        raise Refused(f"{field}: the history has no '{revision}'; it has {', '.join(names) or 'no branch'}")
    return done.stdout.decode().strip()


def _shown(repository: Path, commit: str, name: str) -> bytes | None:
    size = _run("cat-file", "-s", f"{commit}:{name}", at=repository)
    if size.returncode or int(size.stdout) > FILE_BYTES_MAX:
        return None
    return _git(repository, "cat-file", "blob", f"{commit}:{name}")


def _git(repository: Path, *arguments: str) -> bytes:
    done = _run(*arguments, at=repository)
    if done.returncode not in (0, 1):  # merge-base says 1 when there is none
        raise Refused(f"history: git {arguments[0]} failed: {_said(done)}")
    return done.stdout


def _run(*arguments: str, at: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    place: tuple[str, ...] = ()
    if at:  # a change may bring .gitattributes, with which its files would count as binary: none are read
        nowhere = _empty_folder()
        store = at / ".git" if (at / ".git").exists() else at
        place = ("-C", nowhere, f"--git-dir={store}", f"--work-tree={nowhere}")
        environment["GIT_INDEX_FILE"] = f"{nowhere}/index"
    return subprocess.run(
        [*_GIT, *place, *arguments],
        capture_output=True,
        check=False,
        timeout=GIT_SECONDS_MAX,
        env=environment,
    )


@cache
def _empty_folder() -> str:
    return tempfile.mkdtemp(prefix="nothing-")


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode(errors="replace").strip()[-300:]
