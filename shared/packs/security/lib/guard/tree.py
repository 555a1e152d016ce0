"""The files of a source tree worth looking at."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

FILES_MAX = 20_000  # a tree beyond this is scanned up to here, and the answer says so
FILE_BYTES_MAX = 1024 * 1024  # larger ones are generated or data
SNIFF_BYTES = 8192  # how git decides too: a NUL byte here means binary

FOLDERS_SKIPPED = {
    ".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "node_modules", "__pycache__", "site-packages",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".penstock", ".eggs",
}  # fmt: skip
TEST_FOLDERS = {"test", "tests", "testing", "spec", "specs", "fixtures", "__tests__"}


@dataclass(frozen=True)
class SourceFile:
    """A text file, named as people name it: relative to the tree, with forward slashes."""

    name: str
    path: Path

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    @property
    def is_test(self) -> bool:
        pure = PurePosixPath(self.name)
        return (
            any(part in TEST_FOLDERS for part in pure.parts[:-1])
            or pure.name.startswith(("test_", "conftest."))
            or pure.stem.endswith(("_test", ".test", ".spec"))
        )

    def text(self) -> str:
        return _text(self.path)

    def line(self, number: int) -> str:
        """The line with that 1-based number, or nothing beyond the end."""
        lines = _lines(self.path)
        return lines[number - 1] if 0 < number <= len(lines) else ""


@dataclass
class Tree:
    """What was found, and how many files were left out for which reason."""

    root: Path
    files: list[SourceFile] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)  # names of the files among them

    def with_suffix(self, *suffixes: str) -> list[SourceFile]:
        return [file for file in self.files if file.suffix in suffixes]

    def counts(self) -> dict[str, object]:
        return {"scanned": len(self.files), "skipped": dict(sorted(self.skipped.items()))}


@lru_cache(maxsize=16)  # the file in hand is asked for its lines once for each finding
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@lru_cache(maxsize=16)
def _lines(path: Path) -> list[str]:
    return _text(path).split("\n")


def read(root: Path, *, bytes_max: int = FILE_BYTES_MAX) -> Tree:
    """Walk the tree in a fixed order. Symbolic links are not followed: they may lead out of it."""
    tree = Tree(root=root)
    for path in _paths(root, tree.skipped):
        if len(tree.files) >= FILES_MAX:
            tree.skipped["beyond the limit"] += 1
            tree.left_out.append(path.relative_to(root).as_posix())
        elif (reason := _unreadable(path, bytes_max=bytes_max)) is not None:
            tree.skipped[reason] += 1
            tree.left_out.append(path.relative_to(root).as_posix())
        else:
            tree.files.append(SourceFile(name=path.relative_to(root).as_posix(), path=path))
    return tree


def _paths(root: Path, skipped: Counter[str]) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root):
        here = Path(folder)
        kept = [name for name in sorted(subfolders) if not _is_foreign(here / name)]
        skipped["folder"] += len(subfolders) - len(kept)
        subfolders[:] = kept
        yield from (here / name for name in sorted(names))


def _is_foreign(folder: Path) -> bool:
    """Whether the folder holds other people's code or a tool's cache."""
    return folder.name in FOLDERS_SKIPPED or folder.is_symlink() or (folder / "pyvenv.cfg").exists()


def _unreadable(path: Path, *, bytes_max: int) -> str | None:
    if path.is_symlink():
        return "link"
    try:
        if not path.is_file():
            return "not a file"
        if path.stat().st_size > bytes_max:
            return "too large"
        with path.open("rb") as stream:
            return "binary" if b"\0" in stream.read(SNIFF_BYTES) else None
    except OSError:
        return "unreadable"
