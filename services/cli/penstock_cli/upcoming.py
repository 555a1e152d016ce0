"""When schedules tick next, as the clocks of their own time zones show it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from penstock.contracts.workflow import WorkflowDefinition
from penstock.definition.schedules import next_moments, schedules_of
from penstock_cli.output import data


def upcoming(definition: WorkflowDefinition, *, after: datetime) -> tuple[dict[str, Any], ...]:
    """Of each schedule of a definition its next ten times, in the words of the API."""
    return tuple(
        {
            "name": name,
            "cron": each.cron,
            "timezone": each.timezone,
            "next": [moment.isoformat() for moment in next_moments(each.cron, each.timezone, after=after)],
        }
        for name, each in schedules_of(definition).items()
    )


def show_upcoming(schedules: Sequence[dict[str, Any]]) -> None:
    for schedule in schedules:
        head = f"{schedule['name']}: {schedule['cron']} {schedule['timezone']}"
        data.print(head, markup=False, soft_wrap=True)
        for moment in schedule["next"]:
            data.print(f"  {there(moment)}", markup=False)


def there(moment: str) -> str:
    """The local time of the schedule, with its distance from UTC: `Mon 2026-11-23 06:00 +0100`."""
    return f"{datetime.fromisoformat(moment):%a %Y-%m-%d %H:%M %z}"
