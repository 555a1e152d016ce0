"""Tells the orchestrator that this runner is there, what it offers, and when it leaves."""

import asyncio
import socket
from collections.abc import Sequence

import nats.errors
import structlog
from msgspec.structs import replace

from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.agent import AgentOffer
from penstock.contracts.limits import KIB, MESSAGE_BYTES_MAX
from penstock.contracts.messages import Hello
from penstock.contracts.wire import encode

ANNOUNCE_EVERY_S = 10.0
ANNOUNCE_AGAIN_S = 1.0  # after one that nobody answered
ANSWER_TIMEOUT_S = 5.0
_ENVELOPE_BYTES = 4 * KIB

log = structlog.get_logger(__name__)


class Announcer:
    """Sends Hello at start, every ten seconds, and at the end. The orchestrator declares the pool's consumer on it."""

    def __init__(
        self, bus: Bus, *, runner: str, pool: str, slots: int, tier: str, offers: Sequence[AgentOffer]
    ) -> None:
        self._bus = bus
        self._subject = subjects.rpc(pool, "announce")
        self._hello = _fitting(
            Hello(
                runner=runner,
                pool=pool,
                host=socket.gethostname(),
                slots=slots,
                tier=tier,
                agents=tuple(offers),
            )
        )
        self.is_heard = False  # whether the orchestrator answered the last time

    async def announce(self, *, leaving: bool = False, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Raises what the bus raises when nobody answers."""
        hello = replace(self._hello, leaving=leaving)
        try:
            await self._bus.client.request(self._subject, encode(hello), timeout=timeout_s)
        except (nats.errors.Error, TimeoutError):
            self.is_heard = False
            raise
        self.is_heard = True

    async def run(self) -> None:
        """Announce until cancelled."""
        while True:
            try:
                await self.announce()
                pause_s = ANNOUNCE_EVERY_S
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("registry.not_heard", reason=str(error) or type(error).__name__)
                pause_s = ANNOUNCE_AGAIN_S
            await asyncio.sleep(pause_s)


def _fitting(hello: Hello) -> Hello:
    """The same, without schemas if they would not fit into one message: those are for people to read."""
    if len(encode(hello)) <= MESSAGE_BYTES_MAX - _ENVELOPE_BYTES:
        return hello
    log.warning("registry.schemas_left_out", agents=len(hello.agents))
    return replace(hello, agents=tuple(replace(offer, input=None, output=None) for offer in hello.agents))
