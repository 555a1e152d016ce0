"""Schedules, decided: which ticks an outage leaves due, and what becomes of one while earlier runs are open."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias
from uuid import UUID

from penstock.contracts.limits import CATCH_UP_TICKS_MAX
from penstock.contracts.value import Value
from penstock.contracts.workflow import CatchUp, Overlap

ON_TIME_MAX = timedelta(minutes=1)  # the restart of an orchestrator is not an outage
LOOK_AT_ONCE = timedelta(minutes=CATCH_UP_TICKS_MAX)  # cron ticks once a minute at most


class Clockwork(Protocol):
    """A cron line in its time zone, as `penstock.definition.cron` reads it."""

    def ticks(self, after: datetime, until: datetime, max: int) -> Sequence[datetime]:
        """The first `max` ticks later than `after` and not later than `until`, in order."""
        ...


class DueTicks(Value, frozen=True):
    """In order. Of a long outage only the latest ticks are told apart: `missed` may stand for many before it."""

    fire: tuple[datetime, ...]
    missed: tuple[datetime, ...]


class Start(Value, frozen=True):
    """Start the tick's run."""


class Skip(Value, frozen=True):
    """The tick starts nothing, for this reason."""

    reason: str


class Queue(Value, frozen=True):
    """The tick waits until these runs have ended."""

    behind: tuple[UUID, ...]


class CancelFirst(Value, frozen=True):
    """Cancel these runs; the tick waits until they have ended."""

    runs: tuple[UUID, ...]


TickDecision: TypeAlias = Start | Skip | Queue | CancelFirst


def latest_ticks(
    clockwork: Clockwork, *, first: datetime, until: datetime, limit: int
) -> tuple[datetime, ...]:
    """The last `limit` ticks from `first` (a tick itself) to `until`, in order.

    Looks back from the end, further and further: months of a minute's ticks are never counted through.
    """
    found: tuple[datetime, ...] = ()
    end, span, begin = until, LOOK_AT_ONCE, first - timedelta(microseconds=1)
    while end > begin and len(found) < limit:
        start = max(begin, end - span)
        most = int((end - start) / timedelta(minutes=1)) + 2
        found = (*clockwork.ticks(after=start, until=end, max=most), *found)
        end, span = start, span * 2
    return found[-limit:]


def due_ticks(clockwork: Clockwork, *, next_at: datetime, now: datetime, catch_up: CatchUp) -> DueTicks:
    """What has come due since `next_at`: what is on time fires, and of the rest what `catch_up` says."""
    found = latest_ticks(clockwork, first=next_at, until=now, limit=CATCH_UP_TICKS_MAX + 1)
    fire = tuple(tick for place, tick in enumerate(found) if _fires(catch_up, tick, now, found, place))
    return DueTicks(fire=fire, missed=tuple(tick for tick in found if tick not in fire))


def _fires(catch_up: CatchUp, tick: datetime, now: datetime, found: Sequence[datetime], place: int) -> bool:
    from_end = len(found) - place
    if now - tick <= ON_TIME_MAX:
        return True
    if catch_up is CatchUp.NONE:
        return False
    return from_end <= (1 if catch_up is CatchUp.ONE else CATCH_UP_TICKS_MAX)


def decide_tick(overlap: Overlap, *, open_runs: tuple[UUID, ...], later: int) -> TickDecision:
    """What becomes of the earliest undecided tick of a schedule; `later` ones wait behind it."""
    if overlap is Overlap.CANCEL_PREVIOUS and later:
        return Skip("a later tick takes its place")
    if not open_runs or overlap is Overlap.ALLOW:
        return Start()
    if overlap is Overlap.SKIP:
        return Skip(f"run {open_runs[0]} of an earlier tick has not ended")
    if overlap is Overlap.CANCEL_PREVIOUS:
        return CancelFirst(open_runs)
    if later >= CATCH_UP_TICKS_MAX:
        return Skip(f"more than {CATCH_UP_TICKS_MAX} ticks wait for run {open_runs[0]}; the oldest gives way")
    return Queue(open_runs)
