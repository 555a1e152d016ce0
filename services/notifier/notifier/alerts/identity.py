"""What makes an alert this one and no other, and what it asks for by the rules of its source."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from notifier.alerts.payload import FIRING, Alert, Group
from notifier.alerts.source import Source, Verb
from penstock.contracts.value import Value


class Wish(Value, frozen=True, kw_only=True):
    """An occurrence of an alert asks for something, once it has been firing for `hold_firing`."""

    project: str
    verb: Verb
    target: str
    fingerprint: str
    starts_at: datetime
    alert: str
    hold_firing: timedelta
    hold_resolved: timedelta


def key_of(source: str, group_key: str, alert: Alert) -> bytes:
    """The same for every repetition; written as JSON, so that no two of them run into one another."""
    names = (source, group_key, alert.fingerprint, alert.starts_at, alert.status)
    return sha256(msgspec.json.encode(names)).digest()


def wishes_of(source: Source, group: Group) -> Iterator[Wish]:
    """What the alerts that fire ask for."""
    for alert in group.alerts:
        if alert.status != FIRING:
            continue
        for rule in source.rules:
            if rule.meets(alert.labels):
                yield Wish(
                    project=source.project_of(alert.labels),
                    verb=rule.verb,
                    target=rule.target,
                    fingerprint=alert.fingerprint,
                    starts_at=alert.starts_at,
                    alert=alert.name,
                    hold_firing=rule.hold.firing,
                    hold_resolved=rule.hold.resolved,
                )
