"""Reads what starts runs by itself: schedules, events, alerts."""

from collections.abc import Callable

from penstock.contracts.limits import TRIGGERS_MAX
from penstock.contracts.workflow import (
    AlertStatus,
    AlertTrigger,
    CatchUp,
    EventTrigger,
    Json,
    Overlap,
    ScheduleTrigger,
    Trigger,
)
from penstock.definition.cron import CRON_EXPECTED
from penstock.definition.fields import Fields
from penstock.definition.read_waiting import EVENT_TYPE_EXPECTED, read_event_type

TRIGGER_KEYS = ("schedule", "event", "alert")
SCHEDULE_KEYS = ("cron", "timezone", "overlap", "catch_up", "input", "name")
EVENT_TRIGGER_KEYS = ("type", "if", "input")
ALERT_KEYS = ("match", "if", "status", "input")

_BROKEN = AlertTrigger(match={})  # keeps the place of one that can't be read
_LABELS_EXPECTED = "a mapping from label names to their values"


def read_triggers(fields: Fields) -> tuple[Trigger, ...]:
    """The triggers in the author's order; a schedule without a name is called after its place among them."""
    value = fields.value["triggers"]
    if not isinstance(value, list):
        fields.wrong("triggers", "a list of triggers", value)
        return ()
    if len(value) > TRIGGERS_MAX:
        message = f"{len(value)} triggers; at most {TRIGGERS_MAX} are allowed"
        fields.report.error(fields.at("triggers"), message)
        return ()
    triggers = Fields({}, fields.at("triggers"), fields.report)
    found: list[Trigger] = []
    for index, item in enumerate(value):
        found.append(_read_trigger(triggers, index, item, found) or _BROKEN)
    return tuple(found)


def _read_trigger(triggers: Fields, index: int, value: Json, found: list[Trigger]) -> Trigger | None:
    expected = f"a mapping with exactly one of {', '.join(TRIGGER_KEYS)}"
    fields = triggers.mapping(index, value, expected)
    if fields is None:
        return None
    fields.only(TRIGGER_KEYS)
    kinds = [key for key in TRIGGER_KEYS if key in fields]
    if len(kinds) != 1:
        got = f"got {' and '.join(kinds)}: make a trigger of each" if kinds else "got none of them"
        fields.report.error(fields.path, f"expected exactly one of {', '.join(TRIGGER_KEYS)}; {got}")
        return None
    own = fields.mapping(kinds[0], fields.value[kinds[0]], _EXPECTED[kinds[0]])
    if own is None:
        return None
    if kinds[0] == "schedule":
        return _read_schedule(own, tuple(each.name for each in found if isinstance(each, ScheduleTrigger)))
    return _READERS[kinds[0]](own)


def _read_schedule(own: Fields, names: tuple[str, ...]) -> ScheduleTrigger:
    """`names` are those of the schedules before."""
    own.only(SCHEDULE_KEYS)
    if own.require("cron", CRON_EXPECTED) and own.value["cron"] == "":
        own.wrong("cron", CRON_EXPECTED, "")
    name = own.name("name") or f"schedule-{len(names) + 1}"
    if name in names:
        own.report.error(own.at("name"), f"another schedule is named '{name}'; give each a name of its own")
    return ScheduleTrigger(
        cron=own.text("cron"),
        timezone=own.text("timezone", "UTC"),
        overlap=own.choice("overlap", Overlap, Overlap.SKIP),
        catch_up=own.choice("catch_up", CatchUp, CatchUp.NONE),
        input=own.value.get("input"),
        name=name,
    )


def _read_event(own: Fields) -> EventTrigger:
    own.only(EVENT_TRIGGER_KEYS)
    known = own.require("type", EVENT_TYPE_EXPECTED)
    return EventTrigger(
        type=read_event_type(own, "type") if known else "",
        if_=own.optional_text("if"),
        input=own.value.get("input"),
    )


def _read_alert(own: Fields) -> AlertTrigger:
    own.only(ALERT_KEYS)
    own.require("match", _LABELS_EXPECTED)
    match = own.mapping("match", own.value.get("match", {}), _LABELS_EXPECTED)
    labels = {} if match is None else {name: match.text(name) for name in match.value}
    if "match" in own and match is not None and not labels:
        own.report.error(own.at("match"), "every alert would match; name at least one label")
    return AlertTrigger(
        match=labels,
        if_=own.optional_text("if"),
        status=own.choice("status", AlertStatus, AlertStatus.FIRING),
        input=own.value.get("input"),
    )


_EXPECTED = {
    "schedule": "a mapping with `cron`",
    "event": "a mapping with `type`",
    "alert": "a mapping with `match`",
}
_READERS: dict[str, Callable[[Fields], Trigger]] = {"event": _read_event, "alert": _read_alert}
