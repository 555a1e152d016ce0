"""What people read of schedules: when they tick, and what became of their ticks (design §4)."""

from datetime import datetime
from uuid import UUID

import msgspec


class Upcoming(msgspec.Struct, frozen=True):
    """When a schedule of a definition would tick next, as the clocks of its time zone show it."""

    name: str
    cron: str
    timezone: str
    next: tuple[datetime, ...]


class ScheduleSummary(msgspec.Struct, frozen=True):
    """A schedule of a workflow's latest version. It ticks while its workflow is `active` and it is not `paused`.

    `next_at` is None when it does not tick. `paused_by` is who paused or resumed it last.
    """

    project: str
    workflow: str
    name: str
    version: int
    cron: str
    timezone: str
    overlap: str
    catch_up: str
    active: bool
    paused: bool
    paused_by: str | None
    paused_at: datetime | None
    next_at: datetime | None
    last_tick: datetime | None


class TickView(msgspec.Struct, frozen=True):
    """A tick and what became of it: due | queued | started | skipped | missed | refused, and why.

    `by`: who asked for it, out of turn. `run_state` is None when there is no run, or it was pruned.
    """

    moment: datetime
    outcome: str
    reason: str | None
    by: str | None
    at: datetime
    run_id: UUID | None
    run_state: str | None


class ScheduleView(ScheduleSummary, frozen=True, kw_only=True):
    """`next` are the ten next moments of its cron line; `ticks` the last ones, latest first."""

    input: msgspec.Raw | None
    next: tuple[datetime, ...]
    ticks: tuple[TickView, ...]
