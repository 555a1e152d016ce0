"""What people read of alerts, and of what was done for them."""

from datetime import datetime

import msgspec

from notifier.alerts.payload import Status
from notifier.alerts.source import Verb


class AlertView(msgspec.Struct, frozen=True):
    """One alert in one status; `id` is its event's. `times`: how often it was told, `heard_at` for the last time.

    `published_at`: when its event was on the bus, None while it waits.
    """

    id: str
    source: str
    project: str
    name: str
    status: Status
    fingerprint: str
    labels: msgspec.Raw
    annotations: msgspec.Raw
    starts_at: datetime
    ends_at: datetime | None
    generator_url: str
    group_key: str
    receiver: str
    received_at: datetime
    heard_at: datetime
    times: int
    published_at: datetime | None


class ActionView(msgspec.Struct, frozen=True):
    """What was done for an alert. `source`, `alert`, `fingerprint` and `starts_at` name the one that asked first.

    `state`: doing, done, undoing, ended. `outcome`: waiting, done, left (a person had changed it, or it was so
    already), refused (the orchestrator does not know it), undone, dropped (over before it was tried).
    """

    id: int
    project: str
    action: Verb
    target: str
    source: str
    alert: str
    fingerprint: str
    starts_at: datetime
    state: str
    outcome: str
    detail: str
    tries: int
    ordered_at: datetime
    done_at: datetime | None
    ended_at: datetime | None


class AlertPage(msgspec.Struct, frozen=True):
    """Alerts, the latest first; `next` is the cursor of the following page."""

    items: tuple[AlertView, ...]
    next: str | None


class ActionPage(msgspec.Struct, frozen=True):
    """Actions, the latest first; `next` is the cursor of the following page."""

    items: tuple[ActionView, ...]
    next: str | None
