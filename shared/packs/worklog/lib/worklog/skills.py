"""Skills of a person, each with the evidence it comes from: the exact places in entries."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from worklog.sentences import place_of, sentences_of
from worklog.technologies import OTHER, category_of, mentions

EVIDENCE_SHOWN_MAX = 20
PRACTISED_DAYS, EXPERIENCED_DAYS, EXPERIENCED_SPAN_DAYS = 3, 8, 60


@dataclass(frozen=True)
class Evidence:
    """`quote` is text[start:end] of the entry: the sentence that names the skill."""

    user: str
    skill: str
    category: str
    entry: str
    day: str
    quote: str
    start: int
    end: int
    method: str

    @property
    def key(self) -> str:
        """Stable: the same place gives the same row, however often it is looked at."""
        place = hashlib.sha256(f"{self.entry}\x1f{self.start}".encode()).hexdigest()[:16]
        return f"{self.user}/{slug(self.skill)}/{place}"

    def row(self) -> dict[str, Any]:
        return asdict(self)


def slug(skill: str) -> str:
    """`C++` and `C#` are not the same."""
    written = skill.lower().replace("+", "-plus").replace("#", "-sharp")
    return re.sub(r"[^\w.]+", "-", written).strip("-") or "-"


def evidence_in(entry: str, row: Mapping[str, Any]) -> list[Evidence]:
    """By rules: each sentence that names a technology, once for each of them."""
    found: dict[tuple[str, int], Evidence] = {}
    for sentence in sentences_of(row["text"]):
        place = (sentence.start, sentence.end)
        for mention in mentions([sentence]):
            skill = mention.technology
            evidence = _evidence(entry, row, skill, category_of(skill), place, "rules")
            found.setdefault((skill, sentence.start), evidence)
    return list(found.values())


def claimed_evidence(
    entry: str, row: Mapping[str, Any], claims: Iterable[Mapping[str, str]]
) -> tuple[list[Evidence], int]:
    """What a model claimed (`skill`, `category`, `quote`), and how many claims nothing in the entry bears out."""
    found, dropped = [], 0
    for claim in claims:
        place = place_of(claim["quote"], row["text"])
        if place is None:
            dropped += 1
            continue
        known = category_of(claim["skill"])
        category = claim["category"] if known == OTHER else known
        found.append(_evidence(entry, row, claim["skill"], category, place, "model"))
    return found, dropped


def _evidence(
    entry: str, row: Mapping[str, Any], skill: str, category: str, place: tuple[int, int], method: str
) -> Evidence:
    start, end = place
    quote = row["text"][start:end]
    return Evidence(row["user"], skill, category, entry, row["day"], quote, start, end, method)


def skills_of(user: str, evidence: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A row for each skill, by key, from all evidence rows of a person; `Code review` and `code review` are one."""
    by_skill: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for key, row in evidence.items():
        by_skill[slug(row["skill"])].append((key, row))
    return {f"{user}/{name}": _skill(user, rows) for name, rows in sorted(by_skill.items())}


def borne_out(
    evidence: Mapping[str, Mapping[str, Any]], entries: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The evidence whose entry is there, and still has the quote where it was."""
    return {
        key: row
        for key, row in evidence.items()
        if (entry := entries.get(row["entry"])) and entry["text"][row["start"] : row["end"]] == row["quote"]
    }


def _skill(user: str, rows: list[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    rows = sorted(rows, key=lambda pair: (pair[1]["day"], pair[0]), reverse=True)
    days = sorted({row["day"] for _, row in rows})
    level, why = level_of(days)
    return {
        "user": user,
        "skill": min(row["skill"] for _, row in rows),
        "category": rows[0][1]["category"],
        "level": level,
        "why": why,
        "mentions": len(rows),
        "days": len(days),
        "first_seen": days[0],
        "last_seen": days[-1],
        "evidence": [key for key, _ in rows[:EVIDENCE_SHOWN_MAX]],
    }


def level_of(days: list[str]) -> tuple[str, str]:
    """From how many days it was used on, and over how long; with the reason."""
    span = (date.fromisoformat(days[-1]) - date.fromisoformat(days[0])).days + 1
    told = f"named on {len(days)} {'day' if len(days) == 1 else 'days'} within {span} {'day' if span == 1 else 'days'}"
    if len(days) >= EXPERIENCED_DAYS or (len(days) >= PRACTISED_DAYS + 2 and span >= EXPERIENCED_SPAN_DAYS):
        return "experienced", told
    return ("practised" if len(days) >= PRACTISED_DAYS else "familiar"), told
