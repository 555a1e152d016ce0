"""Large messages: what is in hand is bounded by its bytes too, or the server gives up a reader that is too slow."""

import asyncio

import pytest
from nats.aio.msg import Msg

from penstock.bus import permissions
from penstock.bus.connection import connect
from penstock.bus.pull import PULL_BYTES_MAX
from penstock.bus.taking import IN_HAND_BYTES_MAX, Taking
from penstock.contracts import subjects
from penstock.contracts.limits import KIB
from penstock.service import end
from penstock_cli.embedded.nats import Nats

MESSAGES = 400
BODY = b"x" * 240 * KIB


class Held:
    """Serves nothing until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.arrived = asyncio.Event()
        self.bytes = 0
        self.served: set[int] = set()

    async def __call__(self, messages: list[Msg]) -> None:
        self.bytes += sum(len(message.data) for message in messages)
        self.arrived.set()
        await self.go.wait()
        self.served |= {message.metadata.sequence.stream for message in messages}


@pytest.fixture
def held() -> Held:
    return Held()


async def test_what_is_in_hand_is_bounded_by_its_bytes_and_nothing_is_left(
    own_nats: Nats, held: Held
) -> None:
    login, other = own_nats.login(permissions.ORCHESTRATOR), own_nats.login(permissions.PUBLISHER)
    async with (
        connect(url=own_nats.url, user=login.user, password=login.password, name="reader") as bus,
        connect(url=own_nats.url, user=other.user, password=other.password, name="shop") as shop,
    ):
        taking = Taking(
            bus,
            stream=subjects.STREAM_INBOX,
            consumer=subjects.CONSUMER_INBOX,
            subject=f"{subjects.INBOUND}.>",
            messages_max=1_000,
            serve=held,
        )
        await taking.declare()
        for _ in range(MESSAGES):
            await shop.client.jetstream().publish(subjects.inbound("default", "large"), BODY)
        loop = asyncio.create_task(taking.run())
        await held.arrived.wait()
        for _ in range(5):  # whatever is on its way was sent before the answer to this
            await bus.client.flush()

        assert held.bytes <= IN_HAND_BYTES_MAX + 3 * PULL_BYTES_MAX

        held.go.set()
        async with asyncio.timeout(20):
            while len(held.served) < MESSAGES:
                await asyncio.sleep(0.02)
        assert bus.client.stats["reconnects"] == 0
        await end(loop)
