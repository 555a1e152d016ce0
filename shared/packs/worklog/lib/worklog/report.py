"""A stand-up or status report of one person, in sections, from the analyses of a period."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

SECTIONS = ("done", "in_progress", "blocked", "next")
HEADINGS = {"done": "Done", "in_progress": "In progress", "blocked": "Blocked", "next": "Next"}
ITEMS_MAX = 100  # of a section
SECTIONS_BYTES_MAX = 40_000  # of all sections in a row, which has 64 KiB
TECHNOLOGIES_SHOWN = 8


def sections_of(analyses: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Every activity under where it stands, by day; each names the entry that it comes from."""
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
    for analysis in sorted(analyses, key=lambda row: (row["day"], row["entry"])):
        for activity in analysis["activities"]:
            item = {
                "text": activity["quote"],
                "kind": activity["kind"],
                "day": analysis["day"],
                "entry": analysis["entry"],
            }
            sections[activity["status"]].append(item)
    return {name: _without_repeats(items) for name, items in sections.items()}


def latest_of(
    sections: Mapping[str, list[dict[str, Any]]],
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
    """The latest items of each section, as many as a row holds, and how many older ones are left out."""
    most = ITEMS_MAX
    kept = {name: items[-most:] for name, items in sections.items()}
    while len(json.dumps(kept)) > SECTIONS_BYTES_MAX:
        most = most * 3 // 4
        kept = {name: items[-most:] for name, items in sections.items()}
    return kept, {name: len(items) - len(kept[name]) for name, items in sections.items()}


def figures_of(entries: Sequence[Mapping[str, Any]], analyses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What can be counted. `minutes`: of the entries that tell; None if none does."""
    told = [entry["minutes"] for entry in entries if entry["minutes"] is not None]
    technologies = Counter(name for analysis in analyses for name in analysis["technologies"])
    scores = [analysis["sentiment"]["score"] for analysis in analyses]
    return {
        "entries": len(entries),
        "days": len({entry["day"] for entry in entries}),
        "minutes": sum(told) if told else None,
        "technologies": dict(technologies.most_common(TECHNOLOGIES_SHOWN)),
        "sentiment": round(sum(scores) / len(scores), 3) if scores else None,
        "kinds": dict(
            Counter(a["kind"] for analysis in analyses for a in analysis["activities"]).most_common()
        ),
    }


def headline_of(user: str, figures: Mapping[str, Any], sections: Mapping[str, Sequence[Any]]) -> str:
    """One sentence of plain counts."""
    counts = ", ".join(
        f"{len(sections[name])} {HEADINGS[name].lower()}" for name in SECTIONS if sections[name]
    )
    days = f"{figures['days']} {'day' if figures['days'] == 1 else 'days'}"
    return f"{user}: {figures['entries']} entries on {days}" + (f"; {counts}." if counts else ".")


def _without_repeats(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is carried over from day to day is told once, where it stands last."""
    latest = {" ".join(item["text"].lower().split()): item for item in items}
    return sorted(latest.values(), key=lambda item: (item["day"], item["entry"]))
