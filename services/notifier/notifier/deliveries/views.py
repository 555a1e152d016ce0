"""Subscriptions and deliveries as the API shows them. Nothing secret is in them."""

from datetime import datetime
from uuid import UUID

import msgspec

from penstock.contracts.value import Value


class ChannelView(Value, frozen=True):
    """`target` says where it sends, without what is secret in that."""

    kind: str
    target: str


class SubscriptionView(Value, frozen=True, kw_only=True):
    """`from`: api, or file, which only the notifier's configuration changes."""

    name: str
    project: str
    events: tuple[str, ...]
    condition: str | None = msgspec.field(name="if")
    channel: ChannelView | None
    template: msgspec.Raw
    active: bool
    inactive_reason: str
    source: str = msgspec.field(name="from")
    created_at: datetime
    changed_at: datetime
    problem: str = ""  # why it cannot be used, if it cannot: a secret's file is gone


class SubscriptionsView(Value, frozen=True):
    items: tuple[SubscriptionView, ...]


class TestView(Value, frozen=True, kw_only=True):
    """What the target said to a sample."""

    ok: bool
    status: int | None
    milliseconds: int
    answer: str
    error: str


class TryView(Value, frozen=True, kw_only=True):
    """One try. `answer` is the first KiB of what the target said."""

    number: int
    at: datetime
    ok: bool
    status: int | None
    milliseconds: int
    answer: str
    error: str


class DeliveryView(Value, frozen=True, kw_only=True):
    """`tries` have failed since it was made or ordered again. `due_at`: of the next try, while it waits."""

    id: UUID
    subscription: str
    event_id: str
    kind: str
    workflow: str
    run: UUID
    happened_at: datetime
    state: str
    tries: int
    due_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class DeliveriesView(Value, frozen=True):
    """`next` is the cursor of the next page, if there is one."""

    items: tuple[DeliveryView, ...]
    next: str | None


class DeliveryDetail(Value, frozen=True):
    delivery: DeliveryView
    event: msgspec.Raw
    log: tuple[TryView, ...]
