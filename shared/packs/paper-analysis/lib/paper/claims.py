"""Sentences that claim something, each with its place and what they lean on."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paper.document import Document
from paper.flow import Flow, Place
from paper.sections import section_at

CLAIMS_MAX = 200
_SENTENCE_CHARACTERS_MAX = 600
_KINDS = (
    (
        "comparison",
        r"\b(?:outperform\w*|better than|faster than|superior|improv\w+ (?:over|by|on)|reduc\w+ by|exceed\w*|"
        r"state[- ]of[- ]the[- ]art|surpass\w*)\b",
    ),
    ("significance", r"\b(?:statistically )?significan(?:t|tly)\b"),
    ("causal", r"\b(?:caus(?:e|es|ed)|leads? to|led to|results? in|due to the|effect of)\b"),
    ("novelty", r"\b(?:for the first time|first to|novel|to (?:the best of )?our knowledge)\b"),
    ("result", r"\b(?:we (?:show|find|found|demonstrate|prove|observe|report|achieve|conclude)|our results|"
               r"results (?:show|suggest|indicate|demonstrate)|this (?:shows|demonstrates|proves))\b"),
)  # fmt: skip
_STATISTIC = re.compile(r"[pP]\s*[<=>≤≥]|±|\bCI\b|confidence interval|\b[tFrz]\s?\(\d|χ")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s?(?:%|×|x\b|ms\b|s\b|points?\b|times\b)?")
_SHOWN = re.compile(r"\b(?:Fig(?:ure|s)?\.?|Tab(?:le|s)?\.?|Section|Appendix|Eq\.?)\s?~?\d", re.IGNORECASE)
_CITED = re.compile(r"\[\d{1,3}(?:[,–-]\s?\d{1,3})*\]|\((?:[A-Z][\w'’-]+[^()]{0,40}\b(?:19|20)\d\d[a-z]?)\)")
_ELSEWHERE = {"references", "funding", "interests", "ethics", "availability"}


@dataclass(frozen=True)
class Claim:
    """`supports`: statistic, number, shown (a figure or table), cited. Empty: nothing in the sentence itself."""

    kind: str
    supports: tuple[str, ...]
    section: str
    place: Place


def claims_in(document: Document, flows: Sequence[Flow]) -> list[Claim]:
    return list(_claims(document, flows))[:CLAIMS_MAX]


def _claims(document: Document, flows: Sequence[Flow]) -> Iterator[Claim]:
    for flow in flows:
        for start, end, sentence in flow.sentences():
            if len(sentence) > _SENTENCE_CHARACTERS_MAX:
                continue
            kind = next((kind for kind, words in _KINDS if re.search(words, sentence, re.IGNORECASE)), None)
            if kind is None:
                continue
            place = flow.place(start, end)
            section = section_at(document.sections, page=flow.page, start=place.start)
            name = section.kind if section else ""
            if name not in _ELSEWHERE:
                yield Claim(kind, tuple(_supports(sentence)), name, place)


def _supports(sentence: str) -> Iterator[str]:
    for name, pattern in (
        ("statistic", _STATISTIC),
        ("number", _NUMBER),
        ("shown", _SHOWN),
        ("cited", _CITED),
    ):
        if pattern.search(_CITED.sub("", sentence) if name == "number" else sentence):
            yield name
