"""What rules see in an entry: activities, where they stand, technologies, mood, and the sentences that matter most."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from worklog.sentences import Sentence, sentences_of
from worklog.technologies import mentions
from worklog.words import words

SUMMARY_SENTENCES = 2
SUMMARY_CHARS_MAX = 400
ACTIVITIES_MAX = 100  # of an entry
QUOTES_BYTES_MAX = 40_000  # of all of them as JSON, in a row of 64 KiB
_WORD = re.compile(r"[A-Za-z][\w'+#-]*")
_POSITIVE_FROM, _NEGATIVE_FROM = 0.15, -0.15
_REACH = 3  # words before one that may turn or strengthen it


@dataclass(frozen=True)
class Activity:
    """Something that somebody did or means to do; `quote` is text[start:end] of the entry."""

    quote: str
    start: int
    end: int
    kind: str
    status: str  # done | in_progress | blocked | next


@dataclass(frozen=True)
class Sentiment:
    """`score` from -1 to 1."""

    label: str
    score: float


@dataclass(frozen=True)
class Analysis:
    """What is said of an entry. `dropped`: claims of a model that nothing in the entry bears out."""

    summary: str
    activities: tuple[Activity, ...]
    technologies: tuple[str, ...]
    sentiment: Sentiment
    method: str  # rules | model
    dropped: int = 0

    def row(self) -> dict[str, Any]:
        row = asdict(self)
        return {**row, "activities": list(row["activities"]), "technologies": list(self.technologies)}


def look_at(text: str, title: str = "") -> Analysis:
    """By rules alone. A title such as "Next" or "Blockers" says where everything below it stands."""
    sentences, below = sentences_of(text), words().headings.get(title.lower().strip(" :"))
    activities = (activity for each in sentences if (activity := _activity(each, below)))
    return Analysis(
        summary=summary_of(sentences),
        activities=fitting(activities),
        technologies=tuple(dict.fromkeys(mention.technology for mention in mentions(sentences))),
        sentiment=sentiment_of(text),
        method="rules",
    )


def fitting(activities: Iterable[Activity]) -> tuple[Activity, ...]:
    """The first ones, as many as a row holds."""
    kept: list[Activity] = []
    size = 0
    for activity in activities:
        size += len(json.dumps(activity.quote))
        if len(kept) == ACTIVITIES_MAX or size > QUOTES_BYTES_MAX:
            break
        kept.append(activity)
    return tuple(kept)


def summary_of(sentences: list[Sentence]) -> str:
    """The sentences with the weightiest words, in their order; the first counts a little more."""
    count = Counter(word for each in sentences for word in _content_words(each.text))

    def weight(position: int) -> float:
        own = _content_words(sentences[position].text)
        told = sum(math.log1p(count[word]) for word in set(own)) / math.sqrt(len(own) + 1)
        return told * (1.2 if position == 0 else 1.0)

    best = sorted(sorted(range(len(sentences)), key=weight, reverse=True)[:SUMMARY_SENTENCES])
    text = " ".join(_ended(sentences[position].text) for position in best)
    return text if len(text) <= SUMMARY_CHARS_MAX else text[:SUMMARY_CHARS_MAX].rsplit(" ", 1)[0] + " …"


def sentiment_of(text: str) -> Sentiment:
    """Weighed words; a negation before one turns it, and a strengthening one makes it count more."""
    known, found = words(), []
    tokens = [match[0].lower() for match in _WORD.finditer(text)]
    for position, token in enumerate(tokens):
        if weight := known.weight.get(token):
            before = tokens[max(0, position - _REACH) : position]
            turned = -0.6 if known.negations.intersection(before) else 1.0
            found.append(weight * turned * (1.5 if known.stronger.intersection(before[-1:]) else 1.0))
    score = sum(found) / math.sqrt(sum(found) ** 2 + 15) if found else 0.0
    label = "positive" if score >= _POSITIVE_FROM else "negative" if score <= _NEGATIVE_FROM else "neutral"
    return Sentiment(label, round(score, 3))


def status_of(text: str, box: bool | None = None, below: str | None = None) -> str:
    """Where it stands. A box of a list of things to do says it, whatever the words are; then the heading `below`
    which it stands."""
    if box is not None:
        return "done" if box else "next"
    if below is not None:
        return below
    return next((status for status, pattern in words().status.items() if pattern.search(text)), "done")


def kind_of(text: str) -> str | None:
    """What was done: of all verbs that the text has, the one that comes first."""
    found = [
        (match.start(), kind) for kind, pattern in words().kinds.items() if (match := pattern.search(text))
    ]
    return min(found)[1] if found else None


def _activity(sentence: Sentence, below: str | None) -> Activity | None:
    kind, status = kind_of(sentence.text), status_of(sentence.text, sentence.box, below)
    if kind is None and status == "done" and sentence.box is None and below is None:
        return None
    return Activity(sentence.text, sentence.start, sentence.end, kind or "other", status)


def _content_words(text: str) -> list[str]:
    return [word for match in _WORD.finditer(text) if (word := match[0].lower()) not in words().stopwords]


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
