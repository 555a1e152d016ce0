"""A delivery is a span of its run's trace, and tells the target which one it is."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from uuid import uuid4

import msgspec

from notifier.channels.outbound import Outbound
from notifier.channels.webhook import Options, Webhook
from notifier.deliveries.catalog import Entry
from notifier.deliveries.telling import Teller
from notifier.rules.kinds import pattern_of
from notifier.rules.subscription import Rule, Subscription
from penstock.contracts.wire import encode
from penstock.telemetry.span import Span
from penstock.telemetry.tracing import Tracing
from tests.builders import evaluate
from tests.deliveries.builders import event
from tests.deliveries.targets import Reply, Target

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def put(self, spans: Sequence[Span]) -> None:
        self.spans += spans

    def close(self) -> None:
        """There is nothing to send."""


async def test_a_delivery_is_a_span_below_its_event(target: Target) -> None:
    sink, outbound = Kept(), Outbound([ip_network("127.0.0.0/8")])
    teller = Teller(evaluate, Tracing(sink))
    pattern = pattern_of(["*"])
    rule = Rule(events=("*",), pattern=pattern, condition=None, channel_kind="webhook", template=None)
    subscription = Subscription(
        id=uuid4(),
        project="default",
        name="ops",
        rule=rule,
        active=True,
        revision=1,
        created_at=datetime.now(UTC),
    )
    entry = Entry(subscription, Webhook(Options(target.url, ()), outbound))
    told = encode(msgspec.structs.replace(event(), traceparent=PARENT)).decode()

    await teller.tell(entry, told, id="msg_1")
    target.reply = lambda request: Reply(status=500)
    await teller.tell(entry, told, id="msg_1")
    outbound.close()

    good, bad = sink.spans
    sent = target.requests[0].headers["traceparent"]
    assert re.fullmatch(r"00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-[0-9a-f]{2}", sent)
    assert (good.name, good.parent, str(good.own)) == ("deliver webhook", "b7ad6b7169203331", sent)
    assert (good.error, bad.error) == (None, "the answer was 500")
