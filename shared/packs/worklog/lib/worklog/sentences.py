"""The sentences and points of an entry, each with its place: so that whatever is said of it can be shown in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^```.*?^```[ \t]*$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"\s*(?:[-*+]|\d+[.)])?\s*(\[[ xX]\])?\s*")
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|no|dr|mr|mrs|ms|resp)|\b[A-Z])\.$", re.IGNORECASE
)


@dataclass(frozen=True)
class Sentence:
    """`start` and `end` are offsets into the entry's text. `box`: of a list of things to do, whether it is ticked."""

    text: str
    start: int
    end: int
    box: bool | None = None


def sentences_of(text: str) -> list[Sentence]:
    """In order, without code blocks, quotes and tables."""
    found: list[Sentence] = []
    hidden = [match.span() for match in _FENCE.finditer(text)]
    offset = 0
    for line in text.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        if any(a <= start < b for a, b in hidden) or line.lstrip().startswith((">", "|", "#", "```")):
            continue
        marker = _MARKER.match(line)
        begin = marker.end() if marker else 0
        box = None if marker is None or marker[1] is None else marker[1].lower() == "[x]"
        found += [
            Sentence(part, start + begin + at, start + begin + at + len(part), box)
            for part, at in _parts(line[begin:])
        ]
    return found


def _parts(line: str) -> Iterator[tuple[str, int]]:
    """The sentences of a line, each with its offset in it."""
    begin = 0
    for end in _END.finditer(line):
        if _ABBREVIATED.search(line[begin : end.start()]):
            continue
        yield from _trimmed(line, begin, end.start())
        begin = end.end()
    yield from _trimmed(line, begin, len(line))


def _trimmed(line: str, begin: int, end: int) -> Iterator[tuple[str, int]]:
    part = line[begin:end]
    stripped = part.strip()
    if stripped:
        yield stripped, begin + len(part) - len(part.lstrip())


def place_of(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text, whatever its white space and its case; None: nowhere."""
    words = quote.split()
    if not words:
        return None
    match = re.search(r"\s+".join(map(re.escape, words)), text, re.IGNORECASE)
    return match.span() if match else None
