"""What the guide of subscriptions says is so."""

from collections.abc import Callable
from typing import Any

import yaml

from notifier.channels.kinds import CHANNELS
from notifier.channels.reading import API
from notifier.deliveries.document import KEYS, DocumentReader
from notifier.rules.schedule import DELAYS
from penstock.contracts.duration import format_duration
from penstock.definition.expressions import Expressions
from tests.deliveries.builders import OTHER_SECRET, SECRET, event, webhook
from tests.deliveries.conftest import Notifier
from tests.deliveries.targets import Target
from tests.house.documents import ROOT, blocks, names, rows

GUIDE = (ROOT / "docs/guides/subscriptions.md").read_text()


def test_the_subscriptions_of_the_guide_are_valid() -> None:
    (document,) = (yaml.safe_load(block) for block in blocks(GUIDE, "yaml"))
    reader = DocumentReader(Expressions())

    for name, subscription in document["subscriptions"].items():
        assert reader.read(subscription, API, name=name).active


def test_the_keys_and_channels_are_all_told() -> None:
    assert {names(row[0])[0] for row in rows(GUIDE, "key")} == set(KEYS)
    assert {names(row[0])[0] for row in rows(GUIDE, "channel")} == set(CHANNELS)


def test_the_schedule_is_told() -> None:
    told = GUIDE.partition("tried again after ")[2].partition(", each a little")[0].split()
    numbers = "".join(told).replace("and", ",").replace("min", "m")

    assert numbers.split(",") == [format_duration(delay).replace("1d", "24h") for delay in DELAYS[1:]]


async def test_the_example_verifies_a_real_webhook(notifier: Notifier, target: Target) -> None:
    document = webhook(target.url)
    document["channel"]["webhook"] |= {"secret": SECRET}
    await notifier.subscribe("signed", document)
    await notifier.publish(event())
    (request,) = await target.received(1)
    defined: dict[str, Any] = {}
    exec(blocks(GUIDE, "python")[0], defined)
    is_from_penstock: Callable[..., bool] = defined["is_from_penstock"]

    assert is_from_penstock(request.body, request.headers, SECRET)
    assert not is_from_penstock(request.body, request.headers, OTHER_SECRET)
    assert not is_from_penstock(request.body + b" ", request.headers, SECRET)
    assert not is_from_penstock(request.body, {**request.headers, "webhook-timestamp": "1"}, SECRET)
