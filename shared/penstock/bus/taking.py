"""Taking messages off a stream in lists: what is there is served at once, and acknowledged when it is committed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from nats.aio.msg import Msg

from penstock.bus.connection import Bus
from penstock.bus.pull import PullLoop
from penstock.bus.replies import Replies
from penstock.bus.streams import ACK_WAIT, declare_consumer, declare_streams
from penstock.contracts.errors import Unavailable
from penstock.postgres.errors import DATABASE_AWAY

RETRY_AFTER = timedelta(seconds=1)
IN_HAND_BYTES_MAX = (
    16 * 1024 * 1024
)  # what is served exists a few times over: as a message, decoded, on its way

log = structlog.get_logger(__name__)


class Taking:
    """Hands lists of messages to `serve`, at most `messages_max` at a time that are not yet answered for, and no more
    while those have `IN_HAND_BYTES_MAX`.

    A list that `serve` raises for comes again a second later; what is wrong with a message itself is its own affair.
    Who may not declare the consumer gives a `declare` of its own, which raises until somebody else has done it.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        consumer: str,
        subject: str,
        messages_max: int,
        serve: Callable[[list[Msg]], Awaitable[None]],
        ack_wait: timedelta = ACK_WAIT,
        declare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._bus = bus
        self._stream, self._consumer, self._subject = stream, consumer, subject
        self._serve = serve
        self._ack_wait = ack_wait
        self._replies = Replies(bus)
        self._messages_max = messages_max
        self._in_hand = self._bytes_in_hand = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pull = PullLoop(
            bus,
            stream=stream,
            consumer=consumer,
            credit=self._credit,
            handle=self._on_messages,
            declare=declare or self.declare,
        )

    async def declare(self) -> None:
        jetstream = self._bus.client.jetstream()
        await declare_streams(jetstream)
        await declare_consumer(
            jetstream,
            stream=self._stream,
            durable=self._consumer,
            subject=self._subject,
            ack_wait=self._ack_wait,
        )

    async def run(self) -> None:
        """Pull until cancelled; then finish what is in hand."""
        try:
            await self._pull.run()
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._replies.sent()

    def _credit(self) -> int:
        return self._messages_max - self._in_hand if self._bytes_in_hand < IN_HAND_BYTES_MAX else 0

    def _on_messages(self, messages: list[Msg]) -> None:
        self._in_hand += len(messages)
        self._bytes_in_hand += sum(len(message.data) for message in messages)
        task = asyncio.create_task(self._take(messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, messages: list[Msg]) -> None:
        replies = [message.reply for message in messages]
        try:
            await self._serve(messages)
            self._replies.ack(replies)
        except (Unavailable, *DATABASE_AWAY) as error:
            log.warning("taking.postponed", stream=self._stream, messages=len(messages), reason=repr(error))
            self._replies.nak(replies, delay=RETRY_AFTER)
        except Exception:  # ours to mend: the messages stay, and the loop goes on for the others
            log.exception("taking.failed", stream=self._stream, messages=len(messages))
            self._replies.nak(replies, delay=RETRY_AFTER)
        finally:
            self._in_hand -= len(messages)
            self._bytes_in_hand -= sum(len(message.data) for message in messages)
            self._pull.wake()
