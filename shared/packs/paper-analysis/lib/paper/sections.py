"""Headings: which part of a paper is where. Recognised by number, by name and by size."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paper.layout import Line

_HEADING_CHARACTERS_MAX = 90
_NUMBER = r"(?:(?:\d{1,2}(?:\.\d{1,2}){0,3}|[IVX]{1,5}(?=\.)|[A-H](?=\.))\.?\s+)?"
_LARGER = 1.08  # than most lines

# The first kind whose words are in a heading names it. Order matters: "data availability" is no "data".
_KINDS = (
    ("abstract", r"abstract|summary"),
    ("availability", r"(?:data|code|software|materials?).{0,30}availability|availability of"),
    ("limitations", r"limitations?|threats to validity|caveats"),
    ("ethics", r"ethic|broader impact|institutional review"),
    ("interests", r"(?:conflicts?|competing|declaration).{0,15}interests?|disclosures?"),
    ("funding", r"funding|acknowledge?ments?"),
    ("references", r"references|bibliography|literature cited|works cited"),
    ("appendix", r"appendix|appendices|supplementa(?:ry|l)"),
    ("introduction", r"introduction"),
    ("background", r"background|related work|prior work|preliminaries|state of the art"),
    ("methods", r"methods?|methodology|materials|experimental (?:setup|design)|participants|implementation"),
    ("results", r"results?|findings|evaluation|experiments?"),
    ("discussion", r"discussion"),
    ("conclusion", r"conclusions?|concluding remarks|future work"),
)
_KNOWN = re.compile(
    "^" + _NUMBER + r"(?P<title>(?:" + "|".join(words for _, words in _KINDS) + r")[\w ,&/-]{0,50}):?$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"^(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?|[IVX]{1,5}\.)\s+(?P<title>[A-Z][^.!?]{2,80})$")
_RUN_IN = re.compile(r"^(abstract|keywords|index terms)\s*[—–:.-]\s*\S", re.IGNORECASE)


@dataclass(frozen=True)
class Section:
    """`start` is the offset of the heading in the text of `page`; the section goes on to the next one."""

    title: str
    kind: str
    page: int
    start: int


def sections_in(pages: Sequence[Sequence[Line]]) -> list[Section]:
    typical = _typical_height([line for lines in pages for line in lines])
    return [
        Section(title=title, kind=kind_of(title), page=number, start=start)
        for number, lines in enumerate(pages, start=1)
        for start, line in _placed(lines)
        if (title := _heading(line, typical=typical))
    ]


def section_at(sections: Sequence[Section], *, page: int, start: int) -> Section | None:
    """The section that a place is in."""
    before = [each for each in sections if (each.page, each.start) <= (page, start)]
    return before[-1] if before else None


def kind_of(title: str) -> str:
    return next(
        (kind for kind, words in _KINDS if re.search(rf"\b(?:{words})", title, re.IGNORECASE)), "other"
    )


def _placed(lines: Sequence[Line]) -> Iterator[tuple[int, Line]]:
    start = 0
    for line in lines:
        yield start, line
        start += len(line.text) + 1


def _heading(line: Line, *, typical: float) -> str:
    """The title that the line is, or ""."""
    text = line.text.strip()
    if run_in := _RUN_IN.match(text):
        return run_in[1].capitalize()
    if len(text) > _HEADING_CHARACTERS_MAX or line.column == 3:
        return ""
    known = _KNOWN.match(text)
    if known and (text[0].isupper() or text[0].isdigit()) and not text.endswith((",", ";")):
        return known["title"].strip()
    numbered = _NUMBERED.match(text)
    if numbered and line.height >= _LARGER * typical:
        return numbered["title"].strip()
    return ""


def _typical_height(lines: Sequence[Line]) -> float:
    """Half of the letters are smaller."""
    heights = sorted((line.height, len(line.text)) for line in lines)
    half, passed = sum(length for _, length in heights) / 2, 0
    for height, length in heights:
        passed += length
        if passed >= half:
            return height
    return 0.0
