"""The list of references, one entry each, with the page and place where it stands."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from paper.sections import Section

REFERENCES_MAX = 1_000
_TEXT_MAX = 600
_MARKS = (
    re.compile(r"^\[(\w{1,12})\]\s*", re.MULTILINE),
    re.compile(r"^(\d{1,3})\.\s+(?=[A-Z])", re.MULTILINE),
)
_AUTHOR_YEAR = re.compile(r"^[A-Z][\w'’-]+,\s+(?:[A-Z]\.|[A-Z][a-z]+)", re.MULTILINE)
_AFTER = {"appendix", "other", "availability", "ethics", "interests", "funding"}


@dataclass(frozen=True)
class Reference:
    label: str
    text: str
    page: int
    start: int


def references_in(pages: Sequence[str], sections: Sequence[Section]) -> list[Reference]:
    """What follows the last heading "References", up to the next heading."""
    heads = [index for index, section in enumerate(sections) if section.kind == "references"]
    if not heads:
        return []
    head = sections[heads[-1]]
    following = next((each for each in sections[heads[-1] + 1 :] if each.kind in _AFTER), None)
    areas = list(_areas(pages, head, following))
    return _numbered(areas)[:REFERENCES_MAX]


def _areas(pages: Sequence[str], head: Section, following: Section | None) -> Iterator[tuple[int, int, str]]:
    """Page, offset and text of each piece of the list."""
    last = following.page if following else len(pages)
    for number in range(head.page, last + 1):
        text = pages[number - 1]
        start = text.find("\n", head.start) + 1 if number == head.page else 0
        end = following.start if following and number == following.page else len(text)
        if start < end and not (number == head.page and start == 0):
            yield number, start, text[start:end]


def _numbered(areas: list[tuple[int, int, str]]) -> list[Reference]:
    """Entries that begin with [1] or 1., else with an author's name."""
    every = "\n".join(text for _, _, text in areas)
    mark = next((each for each in _MARKS if len(each.findall(every)) >= 2), _AUTHOR_YEAR)
    found: list[Reference] = []
    for page, offset, text in areas:
        starts = [match.start() for match in mark.finditer(text)]
        head = text[: starts[0]] if starts else text
        if head.strip() and found:  # an entry that goes on at the next page
            found[-1] = _longer(found[-1], head)
        for start, end in pairwise([*starts, len(text)]):
            entry = text[start:end]
            label = match[1] if (match := mark.match(entry)) and match.groups() else str(len(found) + 1)
            found.append(Reference(label, " ".join(entry.split())[:_TEXT_MAX], page, offset + start))
    return found


def _longer(reference: Reference, text: str) -> Reference:
    whole = f"{reference.text} {' '.join(text.split())}"[:_TEXT_MAX]
    return Reference(reference.label, whole, reference.page, reference.start)
