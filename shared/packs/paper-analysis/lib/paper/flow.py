"""Text without its line breaks, and the way back to where it stood: for quotes, sentences and addresses."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

_HYPHENATED = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_SPACES = re.compile(r"\s+")
_SAME = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-"}
)
_ENDS = re.compile(r"(?<=[.!?])[)\]\"”]?\s+(?=[A-Z(\[\"“])")
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|et al|cf|Fig|Figs|Eq|Eqs|Sec|Tab|vs|resp|approx|Dr|Prof|No|pp?|ref|Refs?|[A-Z]))\.$"
)
_NO_END_CHARACTERS = (
    16  # the longest of them, and what stands before it: a page without an end is looked at once
)
QUOTE_CHARACTERS_MIN = 12  # shorter quotes are found by chance


@dataclass(frozen=True)
class Place:
    """Where something stands in the paper: `quote` is the page's text from `start` to `end`, in one line."""

    page: int
    start: int
    end: int
    quote: str


class Flow:
    """The text of one page with words put together again and single spaces; `origin` leads back."""

    def __init__(self, page: int, text: str, *, breaks: Iterable[int] = ()) -> None:
        """`breaks`: offsets in `text` where a sentence ends in any case, such as those of headings."""
        self.page = page
        self.original = text
        self.text, self._origins = _flowing(text)
        self._breaks = sorted({bisect_left(self._origins, place) for place in breaks})

    def place(self, start: int, end: int) -> Place:
        """The place of flow text [start, end) in the page's own text."""
        quote = self.text[start:end].strip()
        first = self._origins[min(start, len(self._origins) - 1)]
        last = self._origins[min(max(end - 1, start), len(self._origins) - 1)] + 1
        return Place(self.page, first, last, quote[:600])

    def sentences(self) -> Iterator[tuple[int, int, str]]:
        """Start, end and text of each sentence."""
        for first, last in pairwise([0, *self._breaks, len(self.text)]):
            start = first
            for match in _ENDS.finditer(self.text, first, last):
                tail = max(start, match.start() - _NO_END_CHARACTERS)
                if not _NO_END.search(self.text[tail : match.start()]):
                    yield start, match.start(), self.text[start : match.start()]
                    start = match.end()
            if start < last:
                yield start, last, self.text[start:last].rstrip()

    def find(self, quote: str) -> Place | None:
        """Where the page has `quote`, whatever its line breaks, spaces, hyphens, dashes and quotation marks."""
        wanted, _ = _comparable(quote)
        if len(wanted) < QUOTE_CHARACTERS_MIN:
            return None
        have, origins = _comparable(self.text)
        at = have.find(wanted)
        return None if at < 0 else self.place(origins[at], origins[at + len(wanted) - 1] + 1)


def _flowing(text: str) -> tuple[str, list[int]]:
    """The text with words that were divided at line ends whole again, and each character's origin."""
    dropped = {place for match in _HYPHENATED.finditer(text) for place in (match.start(), match.start() + 1)}
    letters: list[str] = []
    origins: list[int] = []
    for place, letter in enumerate(text):
        if place in dropped:
            continue
        if letter.isspace():
            if letters and letters[-1] == " ":
                continue
            letter = " "
        letters.append(letter)
        origins.append(place)
    return "".join(letters), origins


def _comparable(text: str) -> tuple[str, list[int]]:
    """Lower case without spaces and hyphens, compatible forms unified (ligatures); and each origin.

    Without hyphens, because nobody can tell whether "state-\\nof" lost one at the line's end.
    """
    letters: list[str] = []
    origins: list[int] = []
    for place, letter in enumerate(text.translate(_SAME)):
        for part in unicodedata.normalize("NFKC", letter).lower():
            if not part.isspace() and part != "-":
                letters.append(part)
                origins.append(place)
    return "".join(letters), origins
