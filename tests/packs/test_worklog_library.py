"""What the agents of pack worklog see in entries, by rules and in what a model claims."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from worklog.entry import Entry
from worklog.identity import keyed
from worklog.looking import look_at, sentiment_of
from worklog.reading import day_of, minutes_of, read_log
from worklog.report import figures_of, sections_of
from worklog.resume import highlights_of
from worklog.sentences import place_of, sentences_of
from worklog.skills import claimed_evidence, evidence_in, skills_of, slug
from worklog.snapshot import snapshot_of, streak

from tests.packs.conftest import PACKS

SAMPLES = PACKS / "worklog/samples/logs"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_md", ".md").replace("_csv", ".csv").replace("_txt", ".txt")).write_text(text)
    return folder


def test_markdown_days_are_headings_and_entries_stand_below_them(tmp_path: Path) -> None:
    log = read_log(
        written(
            tmp_path,
            log_md="---\nuser: ada\ntags: [ops]\n---\n# 2026-10-05\n\n## Import\nMade it fast. #perf\nTime: 1h 30m\n"
            "## Monday\n```\n# not a heading\n```\n# Tuesday, 6 October 2026\nRested.\n",
        ),
        "nobody",
    )

    assert [(e.user, e.day, e.title, e.minutes, e.tags, e.source) for e in log.entries] == [
        ("ada", "2026-10-05", "Import", 90, ("ops", "perf"), "log.md:7"),
        ("ada", "2026-10-05", "Monday", None, ("ops",), "log.md:10"),
        ("ada", "2026-10-06", "Rested.", None, ("ops",), "log.md:14"),
    ]


def test_csv_is_read_by_its_columns_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    log = read_log(
        written(
            tmp_path,
            a_csv='Date,Text,Hours\n2026-10-05,"Wrote, then tested",1.5\nsoon,Nothing,\n',
            b_csv="when,what\n2026-10-05,x\n",
            c_txt="2026-10-05",
            d_md="No date at all",
        ),
        "ada",
    )

    assert [(e.user, e.day, e.text, e.minutes) for e in log.entries] == [
        ("ada", "2026-10-05", "Wrote, then tested", 90)
    ]
    assert [skipped.place for skipped in log.skipped] == ["a.csv:3", "b.csv:1", "c.txt", "d.md:1"]
    assert "found when, what" in log.skipped[1].reason


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-10-05", "2026-10-05"),
        ("Monday, 5 October 2026", "2026-10-05"),
        ("Oct 5th, 2026", "2026-10-05"),
        ("2026-13-40", None),
        ("5 Foo 2026", None),
    ],
)
def test_days(text: str, day: str | None) -> None:
    assert day_of(text) == day


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("Time: 1h 30m", 90), ("spent: 90 min", 90), ("Took: 1.5 hours", 90), ("2h of meetings", None)],
)
def test_minutes(text: str, minutes: int | None) -> None:
    assert minutes_of(text) == minutes


def entry(text: str, *, title: str = "", source: str = "a.md:3", day: str = "2026-10-05") -> Entry:
    return Entry("ada", day, title or text, text, source=source)


def stored(*entries: Entry) -> dict[str, dict[str, Any]]:
    return {key: each.row() for key, each in keyed(entries, {}).items()}


def test_the_same_entries_keep_their_keys_wherever_they_stand_now() -> None:
    before = stored(
        entry("One thing.", title="Standup"),
        entry("Another.", title="Standup", source="a.md:9"),
        entry("A third.", title="Standup", source="a.md:10"),
    )
    moved = [
        entry(row["text"], title="Standup", source=f"new/{place}.md:1")
        for place, row in enumerate(reversed(before.values()))
    ]

    after = {key: each.row() for key, each in keyed(moved, before).items()}

    assert {key: row["text"] for key, row in after.items()} == {
        key: row["text"] for key, row in before.items()
    }
    assert [before[f"ada/2026-10-05/standup{end}"]["text"] for end in ("", "-2", "-3")] == [
        "One thing.",
        "Another.",
        "A third.",
    ], "lines are numbers: 9 comes before 10"


@pytest.mark.parametrize(
    ("now", "is_the_same"),
    [
        (entry("Slept badly.", title="Import"), True),
        (entry("Made the import fast with an index, twice.", title="Made the import fast, twice"), True),
        (entry("Made the import fast with an index. Then deployed it.", source="logs/a.md:3"), True),
        (entry("Talked to the vendor."), False),
        (entry("Made the import fast with an index.", day="2026-10-06"), False),
        (entry("Made nothing.", title="Import", source="b.md:3"), False),
    ],
)
def test_an_edited_entry_takes_the_place_of_its_former_self_and_of_no_other(
    now: Entry, *, is_the_same: bool
) -> None:
    before = stored(entry("Made the import fast with an index.", title="Import"))

    (key,) = keyed([now], before)

    assert (key in before) is is_the_same


def test_what_stands_in_a_sentence_is_found_with_its_place_and_its_status() -> None:
    text = (
        "- [x] Fixed the flaky test in PostgreSQL, e.g. with pytest.\n"
        "- Continued the Kafka consumer in Go; blocked by AWS.\n"
        "- [ ] Deploy to k8s.\n> Fixed by somebody else\n"
    )

    found = look_at(text)

    assert [(a.kind, a.status) for a in found.activities] == [
        ("fixed", "done"),
        ("other", "blocked"),
        ("deployed", "next"),
    ]
    assert all(text[a.start : a.end] == a.quote for a in found.activities)
    assert found.technologies == ("PostgreSQL", "pytest", "Kafka", "Go", "AWS", "Kubernetes")


def test_common_words_are_no_technologies() -> None:
    text = (
        "Go through the list. Make it express what we rest on. Swift work in the spring, slack hours, c or r."
    )

    assert look_at(text).technologies == ()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("It works, great teamwork.", "positive"),
        ("It was not great.", "negative"),
        ("A frustrating outage.", "negative"),
        ("No problem at all.", "positive"),
        ("I changed a file.", "neutral"),
    ],
)
def test_sentiment(text: str, label: str) -> None:
    assert sentiment_of(text).label == label


def test_sentences_keep_their_offsets_over_lists_and_code() -> None:
    text = "One. Two e.g. this!\n\n1. Three\n```\nFour.\n```\n* Five"

    found = sentences_of(text)

    assert [each.text for each in found] == ["One.", "Two e.g. this!", "Three", "Five"]
    assert all(text[each.start : each.end] == each.text for each in found)


def test_a_quote_is_found_over_line_breaks_and_only_if_it_is_there() -> None:
    assert place_of("made  it Fast", "We made\nit fast.") == (3, 15)
    assert place_of("made it slow", "We made it fast.") is None
    assert place_of("  ", "anything") is None
    assert place_of("Go", "A week ago, with Google") is None, "part of a word is no quote"


def entry_row(text: str, day: str = "2026-10-05") -> dict[str, object]:
    return {"user": "ada", "day": day, "text": text}


def test_skills_are_linked_to_places_that_are_in_the_entry() -> None:
    row = entry_row("Tuned PostgreSQL. Slept.\nPostgres again, and C++.")

    found = evidence_in("ada/2026-10-05/x", row)

    assert sorted((e.skill, e.quote) for e in found) == [
        ("C++", "Postgres again, and C++."),
        ("PostgreSQL", "Postgres again, and C++."),
        ("PostgreSQL", "Tuned PostgreSQL."),
    ]
    assert len({e.key for e in found}) == 3
    assert slug("C++") != slug("C#") != slug("C")


def test_what_a_model_makes_up_is_dropped_and_counted() -> None:
    claims = [
        {"skill": "Negotiation", "category": "people", "quote": "agreed on a date with the vendor"},
        {"skill": "Rust", "category": "languages", "quote": "rewrote it in Rust"},
    ]

    found, dropped = claimed_evidence("k", entry_row("We agreed on a date with the vendor."), claims)

    assert [(e.skill, e.category, e.quote) for e in found] == [
        ("Negotiation", "people", "agreed on a date with the vendor")
    ]
    assert dropped == 1


def test_a_level_comes_from_days_and_not_from_repetition() -> None:
    def level(days: list[str]) -> str:
        rows = {
            f"{day}/{n}": {"skill": "Git", "category": "delivery", "day": day}
            for day in days
            for n in range(5)
        }
        return str(skills_of("ada", rows)["ada/git"]["level"])

    assert level(["2026-10-05"]) == "familiar"
    assert level(["2026-10-05", "2026-10-06", "2026-10-07"]) == "practised"
    assert level([f"2026-10-{day:02}" for day in range(1, 9)]) == "experienced"


def test_a_report_tells_once_what_was_carried_over() -> None:
    def analysis(day: str, status: str) -> dict[str, object]:
        activity = {"quote": "Deploy it", "kind": "deployed", "status": status}
        return {
            "day": day,
            "entry": day,
            "activities": [activity],
            "technologies": ["Git"],
            "sentiment": {"score": 0.5},
        }

    sections = sections_of([analysis("2026-10-05", "next"), analysis("2026-10-06", "next")])
    figures = figures_of(
        [{"day": "2026-10-05", "minutes": 60}, {"day": "2026-10-06", "minutes": None}],
        [analysis("2026-10-05", "next")],
    )

    assert [item["day"] for item in sections["next"]] == ["2026-10-06"]
    assert (figures["minutes"], figures["days"], figures["sentiment"]) == (60, 2, 0.5)


def test_highlights_are_quotes_and_figures_come_first() -> None:
    def done(quote: str) -> dict[str, object]:
        return {"quote": quote, "kind": "built", "status": "done"}

    analyses = [
        {
            "day": "2026-10-05",
            "technologies": ["Git"],
            "activities": [done("Built a thing."), done("Cut it from 9 s to 2 s.")],
        }
    ]

    assert highlights_of(analyses) == ["Cut it from 9 s to 2 s.", "Built a thing."]


def test_a_streak_goes_over_week_ends() -> None:
    assert streak(date(2026, 10, 12), {"2026-10-08", "2026-10-09", "2026-10-12"}) == 3
    assert streak(date(2026, 10, 13), {"2026-10-12"}) == 1, "the day itself may still come"
    assert streak(date(2026, 10, 14), {"2026-10-12"}) == 0


def test_a_snapshot_does_not_know_what_came_later() -> None:
    entries = [{"user": "ada", "day": day, "minutes": 60} for day in ("2026-10-05", "2026-10-20")]

    snapshot = snapshot_of(date(2026, 10, 6), entries, [])

    assert (snapshot["entries"], snapshot["users"]["ada"]["not_analysed"]) == (1, 1)


def test_the_sample_is_read_as_a_whole() -> None:
    log = read_log(SAMPLES, "nobody")

    assert log.skipped == []
    assert {entry.user for entry in log.entries} == {"ada", "grace"}
    assert len(log.entries) == 23
