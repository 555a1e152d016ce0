"""Cron lines: the next ticks, right at both changes of the clocks, and clear words for a line that is none."""

from datetime import UTC, datetime, timedelta

import pytest

from penstock.definition.cron import Cron, CronError, TimezoneError


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(line: str, timezone: str, after: str, until: str) -> list[str]:
    found = Cron(line, timezone).ticks(moment(after), moment(until), 100)
    return [f"{tick:%m-%d %H:%M}" for tick in found]


def test_the_next_tick_is_later_than_the_moment_and_in_utc() -> None:
    cron = Cron("0 6 * * 1-5", "Europe/Zurich")

    assert cron.next_after(moment("2026-01-09 04:59:59")) == moment("2026-01-09 05:00")
    assert cron.next_after(moment("2026-01-09 05:00")) == moment("2026-01-12 05:00")
    assert cron.next_after(moment("2026-07-01 00:00")) == moment("2026-07-01 04:00")
    assert cron.next_after(moment("2026-07-01 00:00")).tzinfo is UTC


# Europe/Zurich: 2026-03-29 02:00 becomes 03:00 (01:00 UTC), 2026-10-25 03:00 becomes 02:00 (01:00 UTC).
# Pacific/Auckland: 2026-09-27 02:00 becomes 03:00 (14:00 UTC the day before), 2026-04-05 03:00 becomes 02:00.
@pytest.mark.parametrize(
    ("line", "timezone", "after", "until", "expected"),
    [
        ("30 2 * * *", "Europe/Zurich", "2026-03-28 12:00", "2026-03-30 12:00", ["03-29 01:00", "03-30 00:30"]),
        ("*/20 2 * * *", "Europe/Zurich", "2026-03-28 12:00", "2026-03-29 12:00", ["03-29 01:00"]),
        ("0 2,3 * * *", "Europe/Zurich", "2026-03-28 12:00", "2026-03-29 12:00", ["03-29 01:00"]),
        ("30 2 * * *", "Europe/Zurich", "2026-10-24 12:00", "2026-10-26 12:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 2 * * *", "Europe/Zurich", "2026-10-25 00:45", "2026-10-25 12:00", []),
        ("*/30 2 * * *", "Europe/Zurich", "2026-10-24 12:00", "2026-10-25 12:00", ["10-25 00:00", "10-25 00:30"]),
        ("0 * * * *", "Europe/Zurich", "2026-03-29 00:00", "2026-03-29 03:00",
         ["03-29 01:00", "03-29 02:00", "03-29 03:00"]),
        ("0 * * * *", "Europe/Zurich", "2026-10-24 23:00", "2026-10-25 02:00",
         ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("30 2 * * *", "Pacific/Auckland", "2026-09-26 00:00", "2026-09-27 23:00", ["09-26 14:00", "09-27 13:30"]),
        ("30 2 * * *", "Pacific/Auckland", "2026-04-04 00:00", "2026-04-05 23:00", ["04-04 13:30", "04-05 14:30"]),
        ("*/30 * * * *", "Australia/Lord_Howe", "2026-04-04 14:00", "2026-04-04 16:00",
         ["04-04 14:30", "04-04 15:00", "04-04 15:30", "04-04 16:00"]),
        ("0 0 * * *", "America/Santiago", "2026-09-05 00:00", "2026-09-07 12:00",
         ["09-05 04:00", "09-06 04:00", "09-07 03:00"]),
    ],
)  # fmt: skip
def test_ticks_are_right_when_clocks_change(
    line: str, timezone: str, after: str, until: str, expected: list[str]
) -> None:
    assert ticks(line, timezone, after, until) == expected


@pytest.mark.parametrize("timezone", ["Europe/Zurich", "Pacific/Auckland", "America/St_Johns", "UTC"])
def test_a_year_has_as_many_daily_ticks_as_days_and_as_many_hourly_ones_as_hours(timezone: str) -> None:
    start, end = moment("2026-01-01"), moment("2027-01-01")

    assert len(Cron("15 2 * * *", timezone).ticks(start, end, 10_000)) == 365
    assert len(Cron("15 * * * *", timezone).ticks(start, end, 10_000)) == 365 * 24


def test_ticks_are_the_first_and_last_ticks_the_last() -> None:
    cron = Cron("* * * * *")
    start = moment("2026-01-01")

    assert cron.ticks(start, start + timedelta(hours=1), 2) == [start + timedelta(minutes=n) for n in (1, 2)]
    last = cron.last_ticks(start, start + timedelta(hours=1), 2)
    assert last == [start + timedelta(minutes=n) for n in (59, 60)]
    assert cron.last_ticks(start, start, 2) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0 31 2 *", "never ticks: none of its months has day 31"),
        ("0 0 */30 * MON#3", "never ticks"),
        ("0 6 * *", "expected five fields: minute hour day-of-month month day-of-week; got 4"),
        ("0 0 6 * * *", "got 6"),
        ("@daily", "got 1"),
        ("", "got 0"),
        ("0 25 * * *", "'25' is no hour: expected 0-23"),
        ("60 * * * *", "'60' is no minute: expected 0-59"),
        ("0 0 32 * *", "'32' is no day-of-month: expected 1-31"),
        ("0 0 * FOO *", "'FOO' is no month: expected 1-12 or JAN-DEC"),
        ("0 0 * * MON#1/2", "is no day-of-week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        (f"{'9' * 5_000} * * * *", "expected five fields"),
    ],
)
def test_a_line_that_is_none_or_never_ticks_is_told_why(line: str, message: str) -> None:
    with pytest.raises(CronError) as wrong:
        Cron(line)
    assert message in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Europe/Zurch", "did you mean 'Europe/Zurich'?"),
        ("Europe", "no time zone named 'Europe'"),
        ("../etc/passwd", "no time zone named"),
        ("", "expected a name like Europe/Zurich or UTC"),
    ],
)
def test_a_time_zone_that_is_none_has_its_nearest_named(name: str, message: str) -> None:
    with pytest.raises(TimezoneError) as wrong:
        Cron("0 6 * * *", name)
    assert message in str(wrong.value)
