"""A repository's files, copied without what no check reads: history, links, binaries, large and too many files."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES_MAX = 5_000
FILE_BYTES_MAX = 2 * 1024 * 1024
TREE_BYTES_MAX = 64 * 1024 * 1024
_FOLDERS = {
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    ".tox",
    ".mypy_cache",
    ".ipynb_checkpoints",
}


@dataclass(frozen=True)
class Copied:
    """`paths` are those of all files, also of those that were left out (their names tell of data and results)."""

    files: int
    size_bytes: int
    paths: tuple[str, ...]
    left_out: dict[str, int]


def copy_tree(source: Path, target: Path) -> Copied:
    """Copy what checks read from a foreign tree. Nothing is followed out of it."""
    left_out: Counter[str] = Counter()
    paths: list[str] = []
    files = size = 0
    target.mkdir(parents=True, exist_ok=True)
    for path in _files(source, left_out):
        relative = path.relative_to(source)
        reason, bytes_of_file = _reason(path, files=files, size=size)
        paths.append(relative.as_posix())
        if reason:
            left_out[reason] += 1
            continue
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / relative, follow_symlinks=False)
        files, size = files + 1, size + bytes_of_file
    return Copied(files, size, tuple(paths), dict(left_out))


def only_folder(tree: Path) -> Path:
    """Archives of forges hold one folder with everything: that is the repository."""
    inside = list(tree.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink() else tree


def _files(source: Path, left_out: Counter[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(source):
        skipped = [name for name in folders if name in _FOLDERS or Path(folder, name).is_symlink()]
        left_out.update({"folders": len(skipped)} if skipped else {})
        folders[:] = sorted(set(folders) - set(skipped))
        yield from (Path(folder, name) for name in sorted(names))


def _reason(path: Path, *, files: int, size: int) -> tuple[str, int]:
    """Why a file is left out ("" if it is not), and its size."""
    if path.is_symlink() or not path.is_file():
        return "links", 0
    bytes_of_file = path.stat().st_size
    if bytes_of_file > FILE_BYTES_MAX:
        return "too large", bytes_of_file
    if files >= FILES_MAX or size + bytes_of_file > TREE_BYTES_MAX:
        return "beyond the limits", bytes_of_file
    with path.open("rb") as file:
        return ("binary", bytes_of_file) if b"\0" in file.read(2048) else ("", bytes_of_file)
