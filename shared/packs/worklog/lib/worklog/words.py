"""The pack's word lists, read once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Words:
    """`kinds` and `status` are in the order in which they are asked for."""

    kinds: Mapping[str, re.Pattern[str]]
    status: Mapping[str, re.Pattern[str]]
    headings: Mapping[str, str]
    weight: Mapping[str, int]
    negations: frozenset[str]
    stronger: frozenset[str]
    stopwords: frozenset[str]


@cache
def words() -> Words:
    data = yaml.safe_load((_DATA / "words.yaml").read_text())
    return Words(
        kinds={kind: any_of(listed) for kind, listed in data["kinds"].items()},
        status={status: any_of(listed) for status, listed in data["status"].items()},
        headings={word: status for status, listed in data["headings"].items() for word in listed},
        weight={word: int(weight) for weight, listed in data["sentiment"].items() for word in listed},
        negations=frozenset(data["negations"]),
        stronger=frozenset(data["stronger"]),
        stopwords=frozenset(data["stopwords"]),
    )


def any_of(listed: Iterable[str]) -> re.Pattern[str]:
    """Any of these, as words of their own."""
    longest_first = sorted(listed, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)
