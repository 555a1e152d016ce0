"""The metrics of one day: what all logs say up to it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

WINDOW_DAYS = 30
RECENT_DAYS = 7
TECHNOLOGIES_SHOWN = 10


def snapshot_of(
    day: date, entries: Iterable[Mapping[str, Any]], analyses: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The figures of all, and under `users` of each; entries after `day` do not count, so that a day gives the same
    whenever it is asked."""
    by_user: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in entries:
        if entry["day"] <= day.isoformat():
            by_user[entry["user"]].append({name: entry[name] for name in ("day", "minutes")})
    analysed: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for analysis in analyses:
        if analysis["day"] <= day.isoformat():
            about = {name: analysis[name] for name in ("day", "technologies", "sentiment")}
            analysed[analysis["user"]].append(about)
    users = {user: _of_user(day, rows, analysed[user]) for user, rows in sorted(by_user.items())}
    return {
        "day": day.isoformat(),
        "entries": sum(figures["entries"] for figures in users.values()),
        "active_users": sum(figures["entries_7_days"] > 0 for figures in users.values()),
        "users": users,
    }


def rows_of(snapshot: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """By table and key: a row of all, and one of each person, since a row is small and people are many."""
    day, users = snapshot["day"], snapshot["users"]
    each = {f"{day}/{user}": {"day": day, "user": user, **figures} for user, figures in users.items()}
    return {"user-metrics": each, "metrics": {day: {**snapshot, "users": len(users)}}}


def _of_user(
    day: date, entries: list[Mapping[str, Any]], analyses: list[Mapping[str, Any]]
) -> dict[str, Any]:
    since = (day - timedelta(days=WINDOW_DAYS - 1)).isoformat()
    recent = (day - timedelta(days=RECENT_DAYS - 1)).isoformat()
    technologies = Counter(name for row in analyses if row["day"] >= since for name in row["technologies"])
    return {
        "entries": len(entries),
        "entries_7_days": sum(row["day"] >= recent for row in entries),
        "entries_30_days": sum(row["day"] >= since for row in entries),
        "minutes_7_days": sum(row["minutes"] or 0 for row in entries if row["day"] >= recent),
        "streak_days": streak(day, {row["day"] for row in entries}),
        "technologies": dict(technologies.most_common(TECHNOLOGIES_SHOWN)),
        "sentiment_7_days": _mean(row["sentiment"]["score"] for row in analyses if row["day"] >= recent),
        "sentiment_before": _mean(
            row["sentiment"]["score"] for row in analyses if since <= row["day"] < recent
        ),
        "not_analysed": len(entries) - len(analyses),
    }


def streak(day: date, days: set[str]) -> int:
    """Working days in a row, up to `day`, that have an entry; week-ends do not break it, and `day` itself may
    still come."""
    length, at = 0, day
    while True:
        if at.isoformat() in days:
            length += 1
        elif at.weekday() < 5 and at != day:
            return length
        if at < day - timedelta(days=3660):
            return length
        at -= timedelta(days=1)


def _mean(scores: Iterable[float]) -> float | None:
    listed = list(scores)
    return round(sum(listed) / len(listed), 3) if listed else None
