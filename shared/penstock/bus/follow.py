"""Following a stream: every message from now on, in order and without a gap, for as long as somebody watches.

An ephemeral push consumer without acknowledgements. Its messages are numbered and its heartbeats say the last number,
so what was lost on the way is noticed, and a new consumer begins where the old one broke.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from penstock.bus.connection import Bus
from penstock.bus.position import Position, end_of
from penstock.contracts.value import replace

HEARTBEAT_S = 2.0
SILENCE_S_MAX = 5.0  # two heartbeats are missing: the consumer is gone
INACTIVE_S_MAX = 30.0  # then the server forgets a consumer that nobody listens to
AGAIN_AFTER_S = 0.3
WAITING_BYTES_MAX = 32 * 1024 * 1024
AWAY = (nats.errors.Error, OSError, TimeoutError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """A message with its place in its stream."""

    position: Position
    subject: str
    payload: bytes


class Follower:
    """Hands each message to `on_message`, and the next when that returns. `on_lost`: some may never come.

    What comes meanwhile waits in memory; of more than `WAITING_BYTES_MAX` the rest is taken from the stream again.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        on_message: Callable[[Stored], Awaitable[None]],
        on_lost: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._on_message, self._on_lost = on_message, on_lost
        self._broken = asyncio.Event()
        self._consumer = ""
        self._delivered = 0  # by this consumer
        self._heard_at = 0.0
        self.position: Position | None = None  # of the last message that was handed on
        self.began = asyncio.Event()  # what the stream takes from here on will come

    def begin_again(self) -> None:
        """To be called after a reconnect: the server may know nothing of the consumer."""
        self._broken.set()

    async def run(self) -> None:
        """Follow until cancelled, from now on; once."""
        while True:
            try:
                await self._follow()
            except AWAY as error:
                log.warning("follow.failed", stream=self._stream, reason=repr(error))
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _follow(self) -> None:
        """With one consumer, until it breaks."""
        self._broken.clear()
        name = f"live-{self._bus.client.new_inbox().rsplit('.', 1)[1]}"
        inbox = f"{self._bus.inbox}.{name}"
        subscription = await self._bus.client.subscribe(
            inbox, cb=partial(self._take, name), pending_bytes_limit=WAITING_BYTES_MAX
        )
        try:
            await self._begin(name, inbox)
            await self._until_broken()
        finally:
            self._consumer = ""
            self.began.clear()
            with suppress(*AWAY):  # then the server forgets it by itself
                await subscription.unsubscribe()
                if self._bus.is_connected:
                    await self._bus.client.jetstream().delete_consumer(self._stream, name)

    async def _begin(self, name: str, inbox: str) -> None:
        jetstream = self._bus.client.jetstream()
        end = end_of(await jetstream.stream_info(self._stream))
        self._resume(end)
        self._consumer, self._delivered = name, 0
        await jetstream.add_consumer(
            self._stream,
            ConsumerConfig(
                name=name,
                deliver_subject=inbox,
                ack_policy=AckPolicy.NONE,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=(self.position or end).sequence + 1,
                max_deliver=1,
                mem_storage=True,
                num_replicas=1,
                idle_heartbeat=HEARTBEAT_S,
                inactive_threshold=INACTIVE_S_MAX,
            ),
        )
        self._heard_at = asyncio.get_running_loop().time()
        self.began.set()

    def _resume(self, end: Position) -> None:
        """Go on after the last message, if the stream that ends at `end` still has what follows it."""
        if self.position is None:
            self.position = end
        elif self.position.stream != end.stream:
            log.warning("follow.stream_replaced", stream=self._stream)
            self.position = replace(end, sequence=0)
            self._on_lost()
        elif self.position.sequence > end.sequence:
            log.warning("follow.stream_cut_off", stream=self._stream)
            self.position = end
            self._on_lost()

    async def _until_broken(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._heard_at + SILENCE_S_MAX - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._broken.wait()
                    return
            except TimeoutError:
                continue
        log.warning("follow.silent", stream=self._stream)

    async def _take(self, consumer: str, message: Msg) -> None:
        if consumer != self._consumer or self._broken.is_set():
            return  # a late message of a consumer that was given up
        self._heard_at = asyncio.get_running_loop().time()
        if message.headers and "Status" in message.headers:
            self._on_heartbeat(message)
            return
        place = message.metadata.sequence
        if place.consumer != self._delivered + 1:
            self._broken.set()  # some were lost on the way
            return
        assert self.position is not None, "a consumer has begun somewhere"
        self._delivered = place.consumer
        self.position = replace(self.position, sequence=place.stream)
        await self._on_message(Stored(self.position, message.subject, message.data))

    def _on_heartbeat(self, message: Msg) -> None:
        last = (message.headers or {}).get("Nats-Last-Consumer")
        if last is not None and int(last) != self._delivered:
            self._broken.set()
