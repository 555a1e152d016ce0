"""DOIs and arXiv numbers that stand in the text by themselves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

# Chinese, Japanese and Korean, and their punctuation: an address ends where they go on without a space.
WITHOUT_SPACES = (
    r"\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
)

# A DOI goes on at the next line only behind a character that no sentence ends with.
_DOI = re.compile(
    rf"(?<![A-Za-z0-9_/.])(?:doi:?\s*)?(?P<doi>10\.\d{{4,9}}/\n?(?:[^\s\"<>{{}}|\\^`“”{WITHOUT_SPACES}]|"
    r"(?<=[/_-])\n(?=[a-z0-9]))+)",
    re.IGNORECASE,
)
_ARXIV = re.compile(
    r"\barXiv:\s?(?P<number>\d{4}\.\d{4,5}(?:v\d{1,2})?|[a-z-]{2,12}(?:\.[A-Z]{2})?/\d{7}(?:v\d{1,2})?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Identifier:
    kind: str  # doi or arxiv
    value: str
    url: str
    start: int
    end: int


def identifiers_in(text: str) -> Iterator[Identifier]:
    """Those that stand alone: inside of a web address they are that address."""
    for match in _DOI.finditer(text):
        written = _trimmed(match["doi"])
        value = written.replace("\n", "")
        start = match.start("doi")
        address = f"https://doi.org/{quote(value, safe='/:;()._-')}"
        yield Identifier("doi", value, address, start, start + len(written))
    for match in _ARXIV.finditer(text):
        value = match["number"]
        yield Identifier("arxiv", value, f"https://arxiv.org/abs/{value}", *match.span("number"))


def _trimmed(value: str) -> str:
    """Without the sentence's punctuation; a bracket belongs to it if it was opened inside."""
    while value and (
        value[-1] in ".,;:!?'’\"*]}" or (value[-1] == ")" and value.count(")") > value.count("("))
    ):
        value = value[:-1]
    return value
