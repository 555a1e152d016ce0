"""Reads the nodes that wait and hold no runner: for people, for a moment, for an event."""

import re
from datetime import datetime, timedelta

from penstock.contracts.limits import LOOK_BACK_DEFAULT, LOOK_BACK_MAX, RUN_TIMEOUT_MAX
from penstock.contracts.template import OPENING
from penstock.contracts.workflow import ApprovalDefinition, EventWait, OnTimeout, WaitDefinition
from penstock.definition.fields import INSTANT, Fields

APPROVAL_KEYS = ("message", "assignees", "timeout", "on_timeout", "no_self_approval", "form")
WAIT_FOR_KEYS = ("duration", "until", "event")
WAIT_KEYS = (*WAIT_FOR_KEYS, "timeout", "on_timeout")
EVENT_WAIT_KEYS = ("type", "if", "look_back")

ASSIGNEES_MAX = 100  # more is a group, and groups are assignees too
EVENT_TYPE_PATTERN = r"[^\s*>\x00-\x1f\x7f]{1,200}"
EVENT_TYPE_EXPECTED = "an event's whole type like com.github.push, without spaces or wildcards"
_EVENT_TYPE = re.compile(EVENT_TYPE_PATTERN)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MOMENT_EXPECTED = "a moment like 2026-12-24T18:00:00+01:00, or ${{ expressions }} that give one"


def read_approval(fields: Fields) -> ApprovalDefinition:
    own = fields.mapping("approval", fields.value["approval"], "a mapping with `message`")
    if own is None:
        return ApprovalDefinition(message="")
    own.only(APPROVAL_KEYS)
    if own.require("message", "the question that people answer") and own.value["message"] == "":
        own.wrong("message", "the question that people answer", "")
    if own.value.get("form", {}) is None:
        own.wrong("form", "a JSON Schema", None)
    _refuse_policy_without_timeout(own)
    return ApprovalDefinition(
        message=own.text("message"),
        assignees=_read_assignees(own) if "assignees" in own else (),
        timeout=_read_timeout(own),
        on_timeout=own.choice("on_timeout", OnTimeout, OnTimeout.FAIL),
        no_self_approval=own.boolean("no_self_approval", False),
        form=own.value.get("form"),
    )


def read_wait(fields: Fields) -> WaitDefinition:
    own = fields.mapping("wait", fields.value["wait"], f"a mapping with one of {', '.join(WAIT_FOR_KEYS)}")
    if own is None:
        return WaitDefinition()
    own.only(WAIT_KEYS)
    found = [key for key in own.value if key in WAIT_FOR_KEYS]
    if not found:
        own.report.error(own.path, f"expected exactly one of {', '.join(WAIT_FOR_KEYS)}")
    for other in found[1:]:
        message = f"a wait is for one thing, and this one has '{found[0]}' already; make two nodes of it"
        own.report.error(own.at(other), message)
    if "timeout" in own and "event" not in own:
        own.report.error(own.at("timeout"), "'timeout' belongs to 'event'; the other waits end by themselves")
    _refuse_policy_without_timeout(own)
    return WaitDefinition(
        duration=_read_duration(own) if found[:1] == ["duration"] else None,
        until=_read_until(own) if found[:1] == ["until"] else None,
        event=_read_event(own) if found[:1] == ["event"] else None,
        timeout=_read_timeout(own),
        on_timeout=own.choice("on_timeout", OnTimeout, OnTimeout.FAIL),
    )


def read_event_type(fields: Fields, key: str) -> str:
    value = fields.value.get(key)
    if isinstance(value, str) and _EVENT_TYPE.fullmatch(value):
        return value
    fields.wrong(key, EVENT_TYPE_EXPECTED, value)
    return ""


def parse_moment(text: str) -> datetime | None:
    """The moment that RFC 3339 `text` says, or None if it says none."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _refuse_policy_without_timeout(own: Fields) -> None:
    if "on_timeout" in own and "timeout" not in own:
        message = "'on_timeout' belongs to 'timeout', which is missing: without one it waits for ever"
        own.report.error(own.at("on_timeout"), message)


def _read_timeout(own: Fields) -> timedelta | None:
    if "timeout" not in own:
        return None
    return own.duration("timeout", INSTANT, least=INSTANT, most=RUN_TIMEOUT_MAX)


def _read_assignees(own: Fields) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path, name in own.texts("assignees", "a list of names"):
        if not name.strip():
            own.wrong_at(path, "a name", name)
        found[name] = None
    if own.value["assignees"] == []:
        own.report.error(own.at("assignees"), "nobody may answer; leave 'assignees' out for anybody")
    if len(found) > ASSIGNEES_MAX:
        message = f"{len(found)} assignees; at most {ASSIGNEES_MAX} are allowed"
        own.report.error(own.at("assignees"), message)
    return tuple(found)


def _read_duration(own: Fields) -> timedelta | str:
    value = own.value["duration"]
    if isinstance(value, str) and OPENING in value:
        return value
    return own.duration("duration", INSTANT, least=INSTANT, most=RUN_TIMEOUT_MAX)


def _read_until(own: Fields) -> str:
    value = own.value["until"]
    if isinstance(value, str) and (OPENING in value or parse_moment(value)):
        return value
    own.wrong("until", _MOMENT_EXPECTED, value)
    return ""


def _read_event(own: Fields) -> EventWait:
    """A mapping, or the bare type."""
    if isinstance(own.value["event"], str):
        return EventWait(type=read_event_type(own, "event"))
    event = own.mapping("event", own.value["event"], "an event's type, or a mapping with `type`")
    if event is None:
        return EventWait(type="")
    event.only(EVENT_WAIT_KEYS)
    known = event.require("type", EVENT_TYPE_EXPECTED)
    return EventWait(
        type=read_event_type(event, "type") if known else "",
        if_=event.optional_text("if"),
        look_back=event.duration("look_back", LOOK_BACK_DEFAULT, least=timedelta(0), most=LOOK_BACK_MAX),
    )
