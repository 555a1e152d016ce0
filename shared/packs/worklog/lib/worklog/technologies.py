"""Which technologies a text names, and where."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from worklog.sentences import Sentence

_FILE = Path(__file__).parent / "data/technologies.yaml"
OTHER = "other"


@dataclass(frozen=True)
class Vocabulary:
    """`names`: as people write them, in lower case → the technology; `exact`: those that count only as written."""

    names: Mapping[str, str]
    exact: frozenset[str]
    category: Mapping[str, str]
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Mention:
    """`start` and `end` are offsets into the entry's text."""

    technology: str
    start: int
    end: int


def mentions(sentences: list[Sentence]) -> Iterator[Mention]:
    """Every place where a technology is named, in order."""
    known = vocabulary()
    for sentence in sentences:
        for match in known.pattern.finditer(sentence.text):
            technology = known.names[match[0].lower()]
            is_common = technology in known.exact or match[0] in known.exact
            if is_common and (match[0] not in known.exact or match.start() == 0):
                continue
            yield Mention(technology, sentence.start + match.start(), sentence.start + match.end())


def category_of(technology: str) -> str:
    return vocabulary().category.get(technology, OTHER)


def canonical(name: str) -> str:
    """The usual way to write it, if the vocabulary has it."""
    return vocabulary().names.get(name.lower(), name)


@cache
def vocabulary() -> Vocabulary:
    data = yaml.safe_load(_FILE.read_text())
    exact = frozenset(data.pop("ambiguous"))
    names: dict[str, str] = {}
    category: dict[str, str] = {}
    for kind, listed in data.items():
        for technology, others in listed.items():
            category[technology] = kind
            names |= {written.lower(): technology for written in (technology, *others)}
    longest_first = sorted(names, key=len, reverse=True)
    pattern = rf"(?<![\w.+#/-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w+#/]|-\w|\.\w)"
    return Vocabulary(names, exact, category, re.compile(pattern, re.IGNORECASE))
