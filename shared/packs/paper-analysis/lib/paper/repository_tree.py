"""A repository's files for the checks: their names, and the text of those that were copied."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

_TEXT_CHARACTERS_MAX = 200_000  # of one file


@dataclass(frozen=True)
class RepositoryTree:
    """`paths` are relative and of all files, also of those that were too large to copy."""

    root: Path
    paths: Sequence[str]

    @cached_property
    def files(self) -> list[str]:
        """Those that can be read."""
        return [
            path
            for path in self.paths
            if (self.root / path).is_file() and not (self.root / path).is_symlink()
        ]

    def text(self, path: str) -> str:
        file = self.root / path
        if file.is_symlink() or not file.is_file():
            return ""
        return file.read_text(encoding="utf-8", errors="replace")[:_TEXT_CHARACTERS_MAX]

    def named(self, *names: str) -> list[str]:
        """Files with one of these names (lower case, with or without suffix), the highest in the tree first."""
        wanted = {name.lower() for name in names}
        found = [
            path
            for path in self.paths
            if {PurePosixPath(path.lower()).name, PurePosixPath(path.lower()).stem} & wanted
        ]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def with_suffix(self, *suffixes: str) -> list[str]:
        return [path for path in self.paths if PurePosixPath(path.lower()).suffix in suffixes]

    def sources(self) -> list[str]:
        return self.with_suffix(*SOURCE_SUFFIXES)

    def below(self, *folders: str) -> list[str]:
        """Files with one of these folders in their path."""
        return [
            path
            for path in self.paths
            if {part.lower() for part in PurePosixPath(path).parts[:-1]} & {*folders}
        ]

    def lines(self, paths: Iterable[str]) -> Iterator[tuple[str, int, str]]:
        """File, line number from 1, and text."""
        for path in paths:
            for number, line in enumerate(self.text(path).splitlines(), start=1):
                yield path, number, line


SOURCE_SUFFIXES = (
    ".py",
    ".r",
    ".jl",
    ".m",
    ".c",
    ".cc",
    ".cpp",
    ".h",
    ".java",
    ".js",
    ".ts",
    ".rs",
    ".go",
    ".ipynb",
    ".sh",
)
