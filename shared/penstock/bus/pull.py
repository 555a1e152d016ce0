"""A continuous pull loop: requests overlap, credit bounds them, and a lone message is never held back.

`fetch` in a loop holds a lone message until its timeout and loses what arrives between two calls; here one
inbox takes everything, and a new request goes out as soon as there is room for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from nats.aio.msg import Msg

from penstock.bus.connection import Bus
from penstock.contracts.wire import encode

PULL_EXPIRES_S = 5.0
PULL_LATE_S = 0.5  # how much later than its expiry a request counts as dead
PULL_MESSAGES_MAX = 512
# Of one request. A message is at most 1 MiB (`max_payload`); a server ends the connection of a reader for whom 64 MiB
# wait, and with it everything else that goes over it.
PULL_BYTES_MAX = 8 * 1024 * 1024
MISSING_WAIT_S = 0.5  # between two attempts to declare a missing consumer again

log = structlog.get_logger(__name__)


@dataclass
class _Pull:
    """One request parked at the server."""

    left: int
    dead_at: float


class PullLoop:
    """Delivers the messages of one durable consumer in lists, never more than `credit()` at once.

    `credit` says how many more messages there is room for; call `wake` when it grew.
    `handle` gets whatever arrived in one turn of the event loop, and must not block.
    `declare` creates stream and consumer when the server says that they are missing.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        consumer: str,
        credit: Callable[[], int],
        handle: Callable[[list[Msg]], None],
        declare: Callable[[], Awaitable[None]],
    ) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = f"{bus.inbox}.pull.{bus.client.new_inbox().rsplit('.', 1)[1]}"
        self._credit, self._handle, self._declare = credit, handle, declare
        self._pulls: dict[int, _Pull] = {}
        self._next = 0
        self._arrived: list[Msg] = []
        self._wake = asyncio.Event()
        self._missing = False

    def wake(self) -> None:
        """There is room for more messages."""
        self._wake.set()

    async def run(self) -> None:
        """Pull until cancelled."""
        subscription = await self._bus.client.subscribe(f"{self._inbox}.*", cb=self._on_message)
        self._bus.on_reconnect(self._forget)
        try:
            while True:
                await self._step()
        finally:
            if self._bus.is_connected:
                await subscription.drain()  # type: ignore[no-untyped-call]  # what is on its way is still handled

    async def _step(self) -> None:
        if self._missing:
            await self._declare_again()
        self._drop_dead()
        await self._request()
        try:
            # Not wait_for: on Python 3.11 it swallows a cancellation that comes in the turn of the wake-up.
            async with asyncio.timeout(self._seconds_to_next_death()):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _declare_again(self) -> None:
        try:
            await self._declare()
            self._missing = False
        except Exception as error:
            reason = str(error) or type(error).__name__
            log.warning("bus.declare_failed", consumer=self._subject, reason=reason)
            await asyncio.sleep(MISSING_WAIT_S)

    async def _request(self) -> None:
        """Ask for as many messages as there is room for, unless enough are asked for already."""
        outstanding = sum(pull.left for pull in self._pulls.values())
        room = min(self._credit() - outstanding - len(self._arrived), PULL_MESSAGES_MAX)
        if room <= 0 or (outstanding > 0 and room < outstanding // 2) or not self._bus.is_connected:
            return
        number = self._next
        self._next += 1
        self._pulls[number] = _Pull(room, self._loop.time() + PULL_EXPIRES_S + PULL_LATE_S)
        request = encode({"batch": room, "max_bytes": PULL_BYTES_MAX, "expires": int(PULL_EXPIRES_S * 1e9)})
        await self._bus.client.publish(self._subject, request, f"{self._inbox}.{number}")

    async def _on_message(self, message: Msg) -> None:
        if message.headers and "Status" in message.headers:
            self._on_status(int(message.subject.rsplit(".", 1)[1]), message)
            return
        self._count_delivery()
        if not self._arrived:
            self._loop.call_soon(self._deliver)
        self._arrived.append(message)

    def _count_delivery(self) -> None:
        """Requests are served in order, so a message answers the oldest one."""
        for number, pull in self._pulls.items():
            pull.left -= 1
            if pull.left <= 0:
                del self._pulls[number]
            return

    def _deliver(self) -> None:
        messages, self._arrived = self._arrived, []
        self._handle(messages)
        self._wake.set()

    def _on_status(self, number: int, message: Msg) -> None:
        """The server ended a request: it expired, or the consumer is gone."""
        status = (message.headers or {}).get("Status", "")
        if status == "100":  # a heartbeat
            return
        self._pulls.pop(number, None)
        description = (message.headers or {}).get("Description", "").lower()
        if status in ("404", "503") or "consumer deleted" in description:
            self._missing = status == "503" or "deleted" in description
        self._wake.set()

    def _drop_dead(self) -> None:
        now = self._loop.time()
        for number in [number for number, pull in self._pulls.items() if pull.dead_at <= now]:
            del self._pulls[number]

    def _forget(self) -> None:
        """After a reconnect the server knows none of our requests."""
        self._pulls.clear()
        self._wake.set()

    def _seconds_to_next_death(self) -> float:
        if not self._pulls:
            return MISSING_WAIT_S
        return max(0.05, min(pull.dead_at for pull in self._pulls.values()) - self._loop.time())
