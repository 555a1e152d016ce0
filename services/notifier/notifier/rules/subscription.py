"""A subscription: who is told of which events, and what is said."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from penstock.contracts.template import Evaluate, Expression, ExpressionFailed, Template, holds
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class Rule(Value, frozen=True, kw_only=True):
    """What a subscription's document says, compiled. `channel` is the channel's own part, as it was given."""

    events: tuple[str, ...]
    pattern: re.Pattern[str]
    condition: Expression | None
    channel_kind: str
    template: Template | None


class Subscription(Value, frozen=True, kw_only=True):
    id: UUID
    project: str
    name: str
    rule: Rule
    active: bool
    revision: int
    created_at: datetime


class Happened(Value, frozen=True, kw_only=True):
    """An event from the bus. `document` is what expressions see as `event`; `text` the CloudEvent as it came."""

    id: str
    kind: str
    project: str
    workflow: str
    run: UUID
    at: datetime
    document: dict[str, Json]
    text: str
    traceparent: str | None = None


def concerns(subscription: Subscription, *, project: str, kind: str) -> bool:
    """Whether an event may have to be told: decided by its subject alone, before anything is decoded."""
    if not subscription.active or subscription.project != project:
        return False
    return subscription.rule.pattern.fullmatch(kind) is not None


def matches(subscription: Subscription, event: Happened, evaluate: Evaluate) -> bool:
    """Whether the event is to be told. A condition that fails does not hold: many events lack what it asks for."""
    if event.at < subscription.created_at:
        return False  # after the bus was lost, old events come again
    if not concerns(subscription, project=event.project, kind=event.kind):
        return False
    condition = subscription.rule.condition
    if condition is None:
        return True
    try:
        return holds(condition, evaluate, context_of(event.document))
    except ExpressionFailed:
        return False


def context_of(document: dict[str, Json]) -> Mapping[str, Json]:
    return {"event": document}


def default_text(event: Mapping[str, Json]) -> str:
    """One sentence for people: what happened where, and why if the event says so."""
    node = f", node {event['subject']}" if event.get("subject") else ""
    reason = reason_of(event.get("data"))
    return f"{event['kind']} in {event['project']}/{event['workflow']}{node}{': ' + reason if reason else ''}"


def reason_of(data: Json) -> str:
    """What an event's data says of the why."""
    if not isinstance(data, dict):
        return ""
    failure = data.get("failure")
    found = failure if isinstance(failure, dict) else data
    for key in ("message", "reason"):
        text = found.get(key)
        if isinstance(text, str) and text:
            return text[:500]
    return msgspec.json.encode(failure).decode()[:500] if isinstance(failure, dict) else ""
