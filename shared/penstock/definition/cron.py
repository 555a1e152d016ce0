"""When a schedule's cron line ticks, as the clocks of its time zone show it. Pure: the moment comes in.

Where clocks jump ahead, a tick at a time that does not exist comes at the moment when the gap ends, once for
all that fell into it. Where they go back, a time that exists twice ticks the first time only. A line that ticks
in all 24 hours of a day knows no such thing: it ticks in every hour that passes.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from penstock.contracts.names import did_you_mean

CRON_EXPECTED = "five fields: minute hour day-of-month month day-of-week"
CRON_CHARS_MAX = 200  # enough for any list of minutes that a person writes
_HOURS_OF_A_DAY = 24
_MINUTE = timedelta(minutes=1)
_ORIGIN = datetime(2024, 1, 1)  # from here on a line must tick once within 50 years
_RANGES = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, or L for the last",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT",
}


class CronError(ValueError):
    """A line that is no cron line, or one that never ticks."""


class TimezoneError(ValueError):
    """No time zone has this name."""


class Cron:
    """One schedule's line. Raises CronError or TimezoneError, each with a sentence for the author."""

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        self._expression = expression
        self._zone = find_zone(timezone)
        self._in_every_hour = len(_check(expression).hours) == _HOURS_OF_A_DAY

    def next_after(self, moment: datetime) -> datetime:
        """The first tick after `moment`, in UTC."""
        tick = next(self._ticks(moment), None)
        if tick is None:
            raise CronError(f"'{self._expression}' does not tick within 50 years of {moment:%Y-%m-%d}")
        return tick

    def ticks(self, after: datetime, until: datetime, max: int) -> list[datetime]:
        """The first `max` ticks later than `after` and not later than `until`, in UTC."""
        return list(islice(self._until(after, until), max))

    def last_ticks(self, after: datetime, until: datetime, max: int) -> list[datetime]:
        """The last `max` of those ticks; walks all between, 43,200 a month at most."""
        return list(deque(self._until(after, until), maxlen=max))

    def _until(self, after: datetime, until: datetime) -> Iterator[datetime]:
        return takewhile(lambda tick: tick <= until, self._ticks(after))

    def _ticks(self, after: datetime) -> Iterator[datetime]:
        """All ticks after `after`, each moment once; ends if there is none for 50 years."""
        local = after.astimezone(self._zone)
        start = local if self._in_every_hour else local.replace(tzinfo=None, fold=0)
        done = after
        for shown in CronSim(self._expression, start):
            tick = shown.astimezone(UTC) if self._in_every_hour else self._moment(shown)
            if tick > done:
                done = tick
                yield tick

    def _moment(self, shown: datetime) -> datetime:
        """When clocks show `shown` for the first time, or the end of the gap that it falls into."""
        while True:
            moment = shown.replace(tzinfo=self._zone).astimezone(UTC)
            if moment.astimezone(self._zone).replace(tzinfo=None, fold=0) == shown:
                return moment
            shown += _MINUTE


def find_zone(name: str) -> ZoneInfo:
    """The time zone of this name; raises TimezoneError with the nearest one."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        hint = did_you_mean(name, available_timezones()) or "; expected a name like Europe/Zurich or UTC"
        raise TimezoneError(f"no time zone named '{name[:60]}'{hint}") from error


def _check(expression: str) -> CronSim:
    """The line, if it is one that ticks."""
    fields = expression.split()
    if len(fields) != len(_RANGES) or len(expression) > CRON_CHARS_MAX:
        raise CronError(f"expected {CRON_EXPECTED}; got {len(fields)} in '{expression[:60]}'")
    try:
        line = CronSim(expression, _ORIGIN)
    except (CronSimError, ValueError, AssertionError) as error:
        raise CronError(_explained(str(error), expression)) from error
    if next(CronSim(expression, _ORIGIN), None) is None:
        raise CronError(f"'{expression}' never ticks: no such day comes")
    return line


def _explained(reason: str, expression: str) -> str:
    """cronsim says "Bad hour"; a day that no month has is "Bad day-of-month" too."""
    name = reason.removeprefix("Bad ")
    place = list(_RANGES).index(name) if name in _RANGES else None
    if place is None:
        return f"'{expression}' is no cron line: expected {CRON_EXPECTED}"
    field = expression.split()[place]
    if name == "day-of-month" and _is_right_alone(field):
        return f"'{expression}' never ticks: none of its months has day {field}"
    return f"'{field}' is no {name}: expected {_RANGES[name]}, a list, a range or a step like */5"


def _is_right_alone(day: str) -> bool:
    try:
        CronSim(f"0 0 {day} * *", _ORIGIN)
    except (CronSimError, ValueError, AssertionError):
        return False
    return True
