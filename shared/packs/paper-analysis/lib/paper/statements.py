"""What a paper says of its data and code, its limits, ethics, interests and funding, as whole sentences."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paper.document import Document
from paper.flow import Flow, Place
from paper.sections import section_at

_WORDS_MIN = 4  # fewer are a heading
_WHAT = (
    (
        "code",
        r"\b(?:source |analysis |our |the )?(?:code|software|implementation|scripts?|repositor(?:y|ies))\b",
    ),
    ("data", r"\b(?:data|dataset|datasets|data sets?|materials?|benchmark|corpus)\b"),
)
_OPEN = re.compile(
    r"\b(?:(?:is|are|was|were|will be|been|made|publicly|freely|openly) +){1,4}(?:publicly |freely |openly )?"
    r"(?:available|released|accessible|deposited|hosted|shared|published|provided)\b"
    r"|\b(?:available|released|deposited|hosted|found|accessible|downloaded) (?:at|on|from|in|via|under|through)\b"
    r"|\bwe (?:publicly |also )?(?:release|provide|share|open-?source|make)\b",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(?:up)?on (?:reasonable )?request\b|\bfrom the (?:corresponding )?authors?\b", re.IGNORECASE
)
_WITHHELD = re.compile(
    r"\b(?:not (?:be )?(?:publicly )?(?:available|shared|released)|cannot be (?:shared|released|made)|no (?:new )?data"
    r"|proprietary|confidential)\b",
    re.IGNORECASE,
)
_SUBJECTS = (
    (
        "limitations",
        r"\blimitations?\b|\bthreats? to validity\b|\bdo(?:es)? not generali[sz]e\b|\bour study is limited\b",
    ),
    ("ethics", r"\b(?:ethics|institutional review board|IRB|informed consent|Declaration of Helsinki)\b"),
    ("interests", r"\b(?:conflicts? of interest|competing (?:financial )?interests?)\b"),
    (
        "funding",
        r"\b(?:supported by|funded by|grants?\b.{0,40}\bno\.?|funding from|received no (?:specific )?funding)\b",
    ),
    ("preregistration", r"\b(?:pre-?regist(?:ered|ration)|registered report)\b"),
)


@dataclass(frozen=True)
class Statement:
    """`subject`: data, code, limitations, ethics, interests, funding, preregistration.

    `access` of data and code: open, request or withheld; "" for the others.
    """

    subject: str
    access: str
    place: Place


def statements_in(document: Document, flows: Sequence[Flow]) -> Iterator[Statement]:
    for flow in flows:
        for start, end, sentence in flow.sentences():
            if len(sentence.split()) < _WORDS_MIN:
                continue
            place = flow.place(start, end)
            section = section_at(document.sections, page=flow.page, start=place.start)
            if section is None or section.kind != "references":
                yield from _statements(
                    sentence, place, named=bool(section and section.kind == "availability")
                )


def _statements(sentence: str, place: Place, *, named: bool) -> Iterator[Statement]:
    access = _access(sentence, named=named)
    if access:
        for subject, words in _WHAT:
            if re.search(words, sentence, re.IGNORECASE):
                yield Statement(subject, access, place)
    for subject, words in _SUBJECTS:
        if re.search(words, sentence, re.IGNORECASE):
            yield Statement(subject, "", place)


def _access(sentence: str, *, named: bool) -> str:
    """What the sentence says of access; "" if it says nothing. `named`: a section's heading says what it is about."""
    if _REQUEST.search(sentence) and (named or re.search(r"\bavailable\b", sentence, re.IGNORECASE)):
        return "request"
    if _WITHHELD.search(sentence) and (named or re.search(r"\b(?:available|shared|released)\b", sentence)):
        return "withheld"
    has_address = bool(re.search(r"https?://|\b10\.\d{4,9}/|github\.com|zenodo", sentence, re.IGNORECASE))
    return "open" if _OPEN.search(sentence) and (named or has_address or "public" in sentence.lower()) else ""
