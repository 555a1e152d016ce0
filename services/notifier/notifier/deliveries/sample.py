"""The event that the test button sends: of a kind that the subscription asks for, and plainly a sample."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET

from notifier.rules.kinds import TYPE_PREFIX, first_kind
from notifier.rules.subscription import Subscription
from penstock.contracts.timeline import CloudEvent
from penstock.contracts.wire import raw

RUN = UUID(int=0)  # no run has it
WORKFLOW = "sample"
_DATA = b'{"sample":true,"failure":{"error_class":"unknown","message":"this is a test of the subscription"}}'


def sample(subscription: Subscription) -> CloudEvent:
    kind = first_kind(subscription.rule.events)
    return CloudEvent(
        id=f"{RUN}/1",
        source=f"/projects/{subscription.project}/workflows/{WORKFLOW}",
        type=f"{TYPE_PREFIX}{kind}",
        time=datetime.now(UTC),
        data=raw(_DATA),
        subject="sample-node" if kind.startswith("node.") else UNSET,
    )
