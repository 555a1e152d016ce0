"""What a trigger means: its line ticks, its expressions compile, and a run takes the input that it makes."""

from typing import assert_never

from penstock.contracts.template import OPENING, strings
from penstock.contracts.workflow import AlertTrigger, EventTrigger, Json, ScheduleTrigger, Trigger
from penstock.definition import places
from penstock.definition.check_expressions import ExpressionCheck
from penstock.definition.cron import Cron, CronError, TimezoneError, find_zone
from penstock.definition.document import Path
from penstock.definition.inputs import Inputs
from penstock.definition.places import Place
from penstock.definition.report import Report


def validate_trigger(
    index: int, trigger: Trigger, *, check: ExpressionCheck, inputs: Inputs, report: Report
) -> None:
    """Report what is wrong with the trigger at `index`."""
    if isinstance(trigger, ScheduleTrigger):
        kind = "schedule"
        _check_ticks(("triggers", index, kind), trigger, report)
    elif isinstance(trigger, EventTrigger):
        kind = "event"
        _check_condition(index, kind, trigger.if_, check)
    elif isinstance(trigger, AlertTrigger):
        kind = "alert"
        _check_condition(index, kind, trigger.if_, check)
    else:
        assert_never(trigger)
    path: Path = ("triggers", index, kind, "input")
    check.value(Place(path=path, variables=(kind,)), trigger.input)
    if not any(OPENING in text for _, text in strings(trigger.input)):
        _check_constant_input(path, trigger.input, inputs, report)


def _check_condition(index: int, kind: str, condition: str | None, check: ExpressionCheck) -> None:
    if condition is not None:
        place = Place(path=("triggers", index, kind, "if"), variables=(kind,))
        check.single(place, condition, places.IF)


def _check_ticks(path: Path, trigger: ScheduleTrigger, report: Report) -> None:
    try:
        find_zone(trigger.timezone)
    except TimezoneError as error:
        report.error((*path, "timezone"), str(error))
    try:
        if trigger.cron:  # its absence was told by the reader
            Cron(trigger.cron)
    except CronError as error:
        report.error((*path, "cron"), str(error))


def _check_constant_input(path: Path, value: Json, inputs: Inputs, report: Report) -> None:
    """A warning only: the trigger may be there before what it starts is finished."""
    for problem in inputs.misfits({} if value is None else value):
        report.warning(path, f"no run takes this input: {problem.path}: {problem.message}")
