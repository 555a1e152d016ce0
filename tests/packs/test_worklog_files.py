"""Work logs as people really have them: whatever is in a file, the rest is read, and what is not is told."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from worklog.entry import TEXT_BYTES_MAX, Entry
from worklog.looking import look_at
from worklog.reading import Log, read_log
from worklog.report import latest_of
from worklog.skills import borne_out, claimed_evidence, evidence_in, skills_of
from worklog.snapshot import rows_of, snapshot_of

ROW_BYTES_MAX = 64 * 1024


def read(folder: Path, name: str, content: str | bytes) -> Log:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_log(folder, "me")


def the_one(log: Log) -> Entry:
    (entry,) = log.entries
    return entry


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_any_common_encoding_is_read_as_it_was_written(tmp_path: Path, encoding: str) -> None:
    log = read(tmp_path, "log.md", "# 2026-10-05\r\n## Café\r\nIn München.\r\n".encode(encoding))

    assert (the_one(log).title, the_one(log).text) == ("Café", "In München.")


def test_a_european_spreadsheet(tmp_path: Path) -> None:
    text = (
        '\ufeffsep=;\r\nDatum;Text;Hours\r\n05.10.2026;"Eins; mit ""Wort""\r\nzweite Zeile";1,5\r\n'
        "\r\n2026-10-06T09:00;Zwei;0,25"
    )

    log = read(tmp_path, "log.csv", text)

    assert [(each.day, each.text, each.minutes, each.source) for each in log.entries] == [
        ("2026-10-05", 'Eins; mit "Wort"\nzweite Zeile', 90, "log.csv:3"),
        ("2026-10-06", "Zwei", 15, "log.csv:6"),
    ]


@pytest.mark.parametrize(
    "minutes", ["inf", "nan", "-5", "1e400", "9" * 400, "soon", "", "99999999999999999999"]
)
def test_a_time_that_nobody_worked_is_no_time(tmp_path: Path, minutes: str) -> None:
    log = read(tmp_path, "log.csv", f"date,text,minutes\n2026-10-05,x,{minutes}\n")

    assert the_one(log).minutes is None


def test_odd_names_are_read_and_impossible_ones_told(tmp_path: Path) -> None:
    rows = "".join(
        f"2026-10-05,{user},x\n" for user in ("Ada Lovelace", "李", "o'brien", "a/b", "x" * 65, "\x07")
    )

    log = read(tmp_path, "log.csv", f"date,user,text\n{rows}")

    assert [each.user for each in log.entries] == ["Ada Lovelace", "李", "o'brien"]
    assert [each.place for each in log.skipped] == ["log.csv:5", "log.csv:6", "log.csv:7"]


@pytest.mark.parametrize(
    "head", ["user: [ada", "date: 2026-02-30", "user: {a: b}", f"user: {'[' * 1000}", "user: 'ada"]
)
def test_whose_entries_they_are_is_not_guessed(tmp_path: Path, head: str) -> None:
    log = read(tmp_path, "log.md", f"---\n{head}\n---\n# 2026-10-05\nWorked.\n")

    assert log.entries == []
    assert [each.place for each in log.skipped] == ["log.md:1"]


@pytest.mark.parametrize("head", ["", "user:", "A mere rule above.", "x" * 5_000])
def test_what_is_no_front_matter_is_text_or_nothing(tmp_path: Path, head: str) -> None:
    log = read(tmp_path, "2026-10-05.md", f"---\n{head}\n---\nWorked.\n")

    assert the_one(log).user == "me"
    assert ("rule" in head) is ("rule" in the_one(log).text)


def test_headings_dates_and_code_as_markdown_has_them(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        "log.md",
        "# Log of 2026-10-01\n## 2026-10-05\n### Prepare for the 2026-12-01 launch\nPlanned.\n### C#\n"
        "```inline```\nWrote.\n~~~\n# 2020-01-01\n```\n~~~\n### Empty\n## Tue, 6 Oct 2026: wrap-up\nRested.\n",
    )

    assert [(each.day, each.title) for each in log.entries] == [
        ("2026-10-05", "Prepare for the 2026-12-01 launch"),
        ("2026-10-05", "C#"),
        ("2026-10-06", "wrap-up"),
    ]
    assert [(each.place, each.is_empty) for each in log.skipped] == [("log.md:12", True)]


def test_hostile_files_end_in_time_and_hide_nothing(tmp_path: Path) -> None:
    read(tmp_path, ".git/objects.md", "# 2026-10-05\nHidden\n")
    read(tmp_path, "heading.md", "# a" + " " * 100_000 + "x\n" + "```a\n" * 5_000)
    read(tmp_path, "open.csv", 'date,text\n2026-10-05,good\n2026-10-05,"never closed\n')
    read(tmp_path, "wide.csv", f"date,text\n2026-10-05,{'y' * 200_000}\n2026-10-06,z\n")
    read(tmp_path, "emoji.md", "# 2026-10-07\n" + "😀" * 19_000)

    log = read(tmp_path, "nul.md", "# 2026-10-08\nA \x00 here.\n")

    assert [each.text for each in log.entries] == ["A \ufffd here.", "good", "z"]
    assert {each.place for each in log.skipped} == {"emoji.md:1", "heading.md:1", "open.csv:3", "wide.csv:2"}


@pytest.mark.parametrize(
    "text", ["Fixed x. " * 4_000, "Fixed it " * 4_000, "- Fixed 李\n" * 2_000, "é" * 6_000]
)
def test_what_is_said_of_the_longest_entry_fits_into_a_row_and_quotes_it(text: str) -> None:
    text = text[: TEXT_BYTES_MAX - 2]
    found = look_at(text).row()

    assert len(json.dumps(found)) < ROW_BYTES_MAX - 2_000
    assert all(text[each["start"] : each["end"]] == each["quote"] for each in found["activities"])


def test_a_heading_says_where_things_stand() -> None:
    def status(title: str) -> str:
        return look_at("- Deploy the worker.", title).activities[0].status

    assert [status(title) for title in ("Next steps:", "Blockers", "In progress", "Next.js page")] == [
        "next",
        "blocked",
        "in_progress",
        "done",
    ]


def row(text: str) -> dict[str, Any]:
    return {"user": "ada", "day": "2026-10-05", "text": text}


def test_names_of_skills_in_any_script_and_case_are_told_apart_and_merged() -> None:
    claims = [
        {"skill": skill, "category": "people", "quote": quote}
        for skill, quote in (
            ("交渉", "agreed"),
            ("設計", "agreed"),
            ("Code Reading", "agreed"),
            ("code reading", "the plan"),
        )
    ]
    evidence, _ = claimed_evidence("k", row("We agreed on the plan."), claims)

    skills = skills_of("ada", {each.key: each.row() for each in evidence})

    assert len(evidence) == len({each.key for each in evidence}) == 4
    assert {key: skill["mentions"] for key, skill in skills.items()} == {
        "ada/交渉": 1,
        "ada/設計": 1,
        "ada/code-reading": 2,
    }


def test_evidence_that_an_edit_has_moved_or_removed_is_none() -> None:
    (found,) = evidence_in("k", row("Tuned PostgreSQL."))

    assert borne_out({"e": found.row()}, {"k": row("Tuned PostgreSQL. Slept.")})
    assert not borne_out({"e": found.row()}, {"k": row("Today: Tuned PostgreSQL.")})
    assert not borne_out({"e": found.row()}, {})


def test_a_long_period_shows_the_latest_and_tells_what_it_left_out() -> None:
    items = [{"text": f"{number} {'x' * 300}"} for number in range(500)]

    shown, left_out = latest_of({"done": items, "next": items[:2]})

    assert shown["done"][-1] == items[-1]
    assert shown["next"] == items[:2]
    assert left_out == {"done": 500 - len(shown["done"]), "next": 0}
    assert len(json.dumps(shown)) < ROW_BYTES_MAX


def test_a_snapshot_of_very_many_is_a_small_row_for_each() -> None:
    entries = [{"user": f"u{number}", "day": "2026-10-05", "minutes": 1} for number in range(500)]

    rows = rows_of(snapshot_of(date(2026, 10, 5), entries, []))

    assert rows["metrics"]["2026-10-05"]["users"] == 500
    assert len(rows["user-metrics"]) == 500
