"""The schedules of a definition: their names, and when each ticks next, to be shown before anything is saved."""

from datetime import datetime
from zoneinfo import ZoneInfo

from penstock.contracts.workflow import ScheduleTrigger, WorkflowDefinition
from penstock.definition.cron import Cron

NEXT_MOMENTS = 10  # enough to see a week of workdays, or both sides of a change of the clocks


def schedules_of(definition: WorkflowDefinition) -> dict[str, ScheduleTrigger]:
    """By name, in the author's order."""
    return {each.name: each for each in definition.triggers if isinstance(each, ScheduleTrigger)}


def next_moments(cron: str, timezone: str, *, after: datetime) -> tuple[datetime, ...]:
    """The next ticks, as the clocks of that time zone show them."""
    clockwork = Cron(cron, timezone)
    found = [clockwork.next_after(after)]
    while len(found) < NEXT_MOMENTS:
        found.append(clockwork.next_after(found[-1]))
    return tuple(moment.astimezone(ZoneInfo(timezone)) for moment in found)
