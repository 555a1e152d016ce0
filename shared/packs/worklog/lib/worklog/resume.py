"""A résumé from all that a person's log bears out, as a JSON Resume document (jsonresume.org, version 1.0.0)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

HIGHLIGHTS_MAX = 12
_ACHIEVEMENTS = (
    "built",
    "deployed",
    "fixed",
    "tested",
    "documented",
)  # the kinds that tell what somebody achieved
_LEVELS = {"experienced": "Master", "practised": "Intermediate", "familiar": "Beginner"}
_ORDER = tuple(_LEVELS)
_FIGURES_WEIGH = 3  # "from 4 s to 0.3 s" tells more than a verb


def resume_of(
    user: str,
    *,
    name: str,
    label: str,
    email: str,
    analyses: Sequence[Mapping[str, Any]],
    skills: Sequence[Mapping[str, Any]],
    summary: str | None = None,
) -> dict[str, Any]:
    """`work` has the months with the most telling achievements, word for word as the log has them."""
    days = sorted(analysis["day"] for analysis in analyses)
    basics = {
        "name": name or user,
        "label": label,
        "email": email,
        "summary": summary or summary_of(analyses, skills),
    }
    return {
        "basics": {key: value for key, value in basics.items() if value},
        "work": [
            {
                "name": "Work log",
                "startDate": days[0],
                "endDate": days[-1],
                "highlights": highlights_of(analyses),
            }
        ]
        if days
        else [],
        "skills": _skills(skills),
        "meta": {"version": "v1.0.0", "lastModified": f"{days[-1]}T00:00:00Z" if days else None},
    }


def summary_of(analyses: Sequence[Mapping[str, Any]], skills: Sequence[Mapping[str, Any]]) -> str:
    strongest = [skill["skill"] for skill in _ranked(skills)[:5]]
    named = f", above all {', '.join(strongest)}" if strongest else ""
    return f"{len(analyses)} entries of work between the first and the last day of the log{named}."


def highlights_of(analyses: Sequence[Mapping[str, Any]]) -> list[str]:
    """Things done, the most telling first: figures in them count more, and so does a technology that is named."""
    weighed = []
    for analysis in analyses:
        for activity in analysis["activities"]:
            if activity["status"] == "done" and activity["kind"] in _ACHIEVEMENTS:
                has_figure = any(character.isdigit() for character in activity["quote"])
                named = sum(name.lower() in activity["quote"].lower() for name in analysis["technologies"])
                rank = _FIGURES_WEIGH * has_figure + named - _ACHIEVEMENTS.index(activity["kind"]) / 10
                weighed.append((rank, analysis["day"], activity["quote"]))
    return list(dict.fromkeys(quote for _, _, quote in sorted(weighed, reverse=True)))[:HIGHLIGHTS_MAX]


def _skills(skills: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By category, with its strongest level."""
    by_category = defaultdict(list)
    for skill in _ranked(skills):
        by_category[skill["category"]].append(skill)
    return [
        {
            "name": category.title(),
            "level": _LEVELS[rows[0]["level"]],
            "keywords": [row["skill"] for row in rows],
        }
        for category, rows in by_category.items()
    ]


def _ranked(skills: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(skills, key=lambda row: (_ORDER.index(row["level"]), -row["days"], row["skill"]))
