"""The sentences and points of an entry, each with its place: so that whatever is said of it can be shown in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ABBREVIATION_CHARS_MAX = 10
SENTENCE_CHARS_MAX = 500  # a longer one counts as several
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^`\n]*\n(?:.*?^[ \t]*\1[ \t]*$|.*\Z)", re.MULTILINE | re.DOTALL)
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
        if _ABBREVIATED.search(line, max(begin, end.start() - _ABBREVIATION_CHARS_MAX), end.start()):
            continue
        yield from _trimmed(line, begin, end.start())
        begin = end.end()
    yield from _trimmed(line, begin, len(line))


def _trimmed(line: str, begin: int, end: int) -> Iterator[tuple[str, int]]:
    part = line[begin:end]
    stripped = part.strip()
    start = begin + len(part) - len(part.lstrip())
    while len(stripped) > SENTENCE_CHARS_MAX:
        cut = stripped.rfind(" ", SENTENCE_CHARS_MAX // 2, SENTENCE_CHARS_MAX + 1)
        cut = SENTENCE_CHARS_MAX if cut < 0 else cut
        piece = stripped[:cut].rstrip()
        yield piece, start
        rest = stripped[cut:].lstrip()
        start += len(stripped) - len(rest)
        stripped = rest
    if stripped:
        yield stripped, start


def place_of(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text, as whole words, whatever its white space and its case; None: nowhere."""
    words = quote.split()
    if not words:
        return None
    before = r"(?<!\w)" if words[0][0].isalnum() else ""
    after = r"(?!\w)" if words[-1][-1].isalnum() else ""
    match = re.search(before + r"\s+".join(map(re.escape, words)) + after, text, re.IGNORECASE)
    return (match.start(), min(match.end(), match.start() + SENTENCE_CHARS_MAX)) if match else None
