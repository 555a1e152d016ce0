"""Schedules, decided: what an outage leaves due under each catch-up, and what a tick does beside open runs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.schedule import (
    CancelFirst,
    DueTicks,
    Queue,
    Skip,
    Start,
    decide_tick,
    due_ticks,
    latest_ticks,
)
from penstock.contracts.limits import CATCH_UP_TICKS_MAX
from penstock.contracts.workflow import CatchUp, Overlap
from penstock.definition.cron import Cron

FIRST, SECOND = UUID(int=1), UUID(int=2)
HOURLY = Cron("0 * * * *")
THURSDAY = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
SUNDAY = THURSDAY + timedelta(days=3)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def after_outage(catch_up: CatchUp, *, back: datetime, cron: Cron = HOURLY) -> DueTicks:
    """The schedule ticked last just before THURSDAY's tick, and is looked at again at `back`."""
    return due_ticks(cron, next_at=THURSDAY, now=back, catch_up=catch_up)


@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_a_tick_on_time_fires_whatever_catch_up_says(catch_up: CatchUp) -> None:
    due = after_outage(catch_up, back=THURSDAY + timedelta(seconds=1))

    assert due == DueTicks(fire=(THURSDAY,), missed=())


def test_after_three_days_none_fires_nothing_and_tells_what_was_missed() -> None:
    due = after_outage(CatchUp.NONE, back=SUNDAY + timedelta(minutes=30))

    assert due.fire == ()
    assert due.missed == tuple(THURSDAY + timedelta(hours=hour) for hour in range(73))


def test_after_three_days_one_fires_the_latest() -> None:
    due = after_outage(CatchUp.ONE, back=SUNDAY + timedelta(minutes=30))

    assert due.fire == (SUNDAY,)
    assert len(due.missed) == 72


def test_after_three_days_all_fires_each() -> None:
    due = after_outage(CatchUp.ALL, back=SUNDAY + timedelta(minutes=30))

    assert due.fire == tuple(THURSDAY + timedelta(hours=hour) for hour in range(73))
    assert due.missed == ()


def test_all_has_a_bound_and_fires_the_latest() -> None:
    due = after_outage(CatchUp.ALL, back=SUNDAY, cron=Cron("* * * * *"))

    assert len(due.fire) == CATCH_UP_TICKS_MAX
    assert due.fire[-1] == SUNDAY
    assert due.missed == (due.fire[0] - timedelta(minutes=1),)  # stands for those before it


def test_back_within_a_minute_of_a_tick_that_one_is_on_time_and_the_others_are_missed() -> None:
    due = after_outage(CatchUp.NONE, back=SUNDAY + timedelta(seconds=20))

    assert due.fire == (SUNDAY,)
    assert len(due.missed) == 72


def test_an_outage_over_the_hour_that_clocks_skip_misses_no_day() -> None:
    nightly = Cron("30 2 * * *", "Europe/Zurich")

    due = due_ticks(nightly, next_at=at("2026-03-28 01:30"), now=at("2026-03-30 12:00"), catch_up=CatchUp.ALL)

    assert due.fire == (at("2026-03-28 01:30"), at("2026-03-29 01:00"), at("2026-03-30 00:30"))


def test_an_outage_over_the_hour_that_comes_twice_fires_it_once() -> None:
    nightly = Cron("30 2 * * *", "Europe/Zurich")

    due = due_ticks(nightly, next_at=at("2026-10-24 00:30"), now=at("2026-10-26 12:00"), catch_up=CatchUp.ALL)

    assert due.fire == (at("2026-10-24 00:30"), at("2026-10-25 00:30"), at("2026-10-26 01:30"))


LINES = [
    "* * * * *",
    "*/7 * * * *",
    "0,59 * * * *",
    "30 2 * * *",
    "* 3 * * 0",
    "0 0 29 2 *",
    "*/20 1-3 * * *",
]


@settings(max_examples=150, deadline=None)
@given(
    line=st.sampled_from(LINES),
    zone=st.sampled_from(["UTC", "Europe/Zurich", "Australia/Lord_Howe", "America/St_Johns"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),
    minutes=st.integers(0, 20_000),
    limit=st.integers(1, 120),
)
def test_looking_back_finds_what_counting_through_finds(
    line: str, zone: str, start: datetime, minutes: int, limit: int
) -> None:
    cron = Cron(line, zone)
    first = cron.next_after(start.replace(tzinfo=UTC))
    until = first + timedelta(minutes=minutes)

    found = latest_ticks(cron, first=first, until=until, limit=limit)

    assert list(found) == cron.last_ticks(first - timedelta(microseconds=1), until, limit)


@pytest.mark.parametrize("overlap", list(Overlap))
def test_with_nothing_open_a_tick_starts(overlap: Overlap) -> None:
    assert decide_tick(overlap, open_runs=(), later=0) == Start()


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (Overlap.SKIP, Skip(f"run {FIRST} of an earlier tick has not ended")),
        (Overlap.QUEUE, Queue((FIRST, SECOND))),
        (Overlap.ALLOW, Start()),
        (Overlap.CANCEL_PREVIOUS, CancelFirst((FIRST, SECOND))),
    ],
)
def test_while_runs_are_open_the_overlap_decides(overlap: Overlap, expected: object) -> None:
    assert decide_tick(overlap, open_runs=(FIRST, SECOND), later=0) == expected


def test_of_several_ticks_that_would_cancel_each_other_only_the_last_starts() -> None:
    assert isinstance(decide_tick(Overlap.CANCEL_PREVIOUS, open_runs=(), later=1), Skip)
    assert isinstance(decide_tick(Overlap.CANCEL_PREVIOUS, open_runs=(FIRST,), later=1), Skip)


def test_the_queue_of_a_schedule_has_an_end() -> None:
    assert isinstance(decide_tick(Overlap.QUEUE, open_runs=(FIRST,), later=CATCH_UP_TICKS_MAX - 1), Queue)
    assert isinstance(decide_tick(Overlap.QUEUE, open_runs=(FIRST,), later=CATCH_UP_TICKS_MAX), Skip)
