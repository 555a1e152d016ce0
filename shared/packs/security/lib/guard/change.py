"""A change as a unified diff says it: per file its edits, and the lines that are new."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

import whatthepatch

NOTHING = "/dev/null"

_BINARY = re.compile(r"^Binary files (.*) and (.*) differ\r?$")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


@dataclass(frozen=True)
class Edit:
    """A line of a hunk with its 1-based numbers: only `old` was removed, only `new` was added, both stayed."""

    old: int | None
    new: int | None
    text: str
    hunk: int


@dataclass(frozen=True)
class FileChange:
    """`old_name` differs for a renamed file and is None for a new one."""

    name: str
    old_name: str | None
    edits: tuple[Edit, ...]

    @property
    def added(self) -> frozenset[int]:
        """Numbers of the new lines, in the file as it becomes."""
        return frozenset(edit.new for edit in self.edits if edit.new is not None and edit.old is None)

    @property
    def status(self) -> str:
        if self.old_name is None:
            return "added"
        if self.edits and all(edit.new is None for edit in self.edits) and self.edits[0].old == 1:
            return "emptied"  # or deleted: the diff's parser does not tell
        return "modified" if self.old_name == self.name else "renamed"

    def before(self) -> Iterator[tuple[int, str]]:
        return ((edit.old, edit.text) for edit in self.edits if edit.old is not None)

    def after(self) -> Iterator[tuple[int, str]]:
        return ((edit.new, edit.text) for edit in self.edits if edit.new is not None)


def parse(diff: str) -> list[FileChange]:
    """The files with changed lines. Binary files, and changes of the mode only, have none."""
    return [
        FileChange(name=names[1], old_name=names[0], edits=edits)
        for piece in _pieces(diff.split("\n"))
        for found in whatthepatch.parse_patch(piece)
        if found.header is not None
        and (edits := tuple(Edit(one.old, one.new, one.line, one.hunk) for one in found.changes or ()))
        and (names := _names(found.header.old_path, found.header.new_path))
    ]


def binaries(diff: str) -> list[str]:
    """The files of which a diff only says that they differ, or that come in git's own packing."""
    found: list[str] = []
    header = ""
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            header = line.removeprefix("diff --git ").rstrip("\r")
        elif match := _BINARY.match(line):
            found.append(_names(match[1], match[2])[1])
        elif line.startswith("GIT binary patch"):
            found.append(header.rpartition(" b/")[2])
    return found


def _pieces(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """The lines of each file: the parser would take files without a `diff` line between them for one."""
    starts = [number for number, line in enumerate(lines) if line.startswith("diff --git ")]
    starts = starts or [n for n in range(len(lines) - 2) if _is_header(lines[n : n + 3])]
    yield from (lines[start:end] for start, end in pairwise([*starts, len(lines)]))


def _is_header(lines: Sequence[str]) -> bool:
    return all(line.startswith(sign) for line, sign in zip(lines, ("--- ", "+++ ", "@@ "), strict=True))


def _names(old: str, new: str) -> tuple[str | None, str]:
    """Without git's prefixes a/ and b/; the old name is None for a new file."""
    old, new = (_unquoted(name.split("\t")[0].removesuffix("\r")) for name in (old, new))
    is_prefixed = (old.startswith("a/") or old == NOTHING) and (new.startswith("b/") or new == NOTHING)
    plain_old, plain_new = (name[2:] if is_prefixed and name != NOTHING else name for name in (old, new))
    name = plain_new if new != NOTHING else plain_old
    return (None if old == NOTHING else plain_old), name


def _unquoted(name: str) -> str:
    """Git writes a name in quotes where it has a letter beyond ASCII, a quote, a tab: its bytes as in C."""
    if len(name) < 2 or not (name.startswith('"') and name.endswith('"')):
        return name
    return _ESCAPE.sub(_byte, name[1:-1].encode()).decode("utf-8", errors="replace")


def _byte(escape: re.Match[bytes]) -> bytes:
    said = escape[1]
    return bytes([int(said, 8) & 0xFF]) if len(said) == 3 else _ESCAPED.get(said, said)


def is_inside(name: str) -> bool:
    """Whether a name from a diff stays in its tree."""
    pure = PurePosixPath(name)
    return bool(pure.parts) and "\0" not in name and not pure.is_absolute() and ".." not in pure.parts


def shown(change: FileChange) -> str:
    """The hunks for a reader, each line with its new number: what one can comment on."""
    lines: list[str] = []
    hunk = None
    for edit in change.edits:
        if edit.hunk != hunk:
            lines.append("@@")
            hunk = edit.hunk
        sign = "-" if edit.new is None else "+" if edit.old is None else " "
        lines.append(f"{'' if edit.new is None else edit.new:>6} {sign}{edit.text}")
    return "\n".join(lines)
