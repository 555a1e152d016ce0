"""Publishing to JetStream, pipelined: many messages on their way, and one acknowledgement for each stream.

A server takes the messages of one connection in their order, so the acknowledgement of the last message of a
stream speaks for those before it, as long as the connection was the same from first to last. A list during
which the connection broke counts as not acknowledged. This saves two thirds of the bus's messages.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from nats.aio.msg import Msg

from penstock.bus.connection import Bus
from penstock.contracts.subjects import stream_of

ACK_TIMEOUT_S = 5.0

Message = tuple[str, bytes]


class NotAcknowledged(Exception):
    """The server did not confirm every message: it is away, refuses them, or a stream is missing."""

    def __init__(self, *, total: int, reason: str) -> None:
        super().__init__(f"a list of {total} messages was not acknowledged: {reason}")
        self.reason = reason


class _Ack(msgspec.Struct):
    error: dict[str, object] | None = None


@dataclass(eq=False)
class Sent:
    """A list on its way; `missing` acknowledgements are still to come."""

    total: int
    epoch: int
    missing: int
    done: "asyncio.Future[None]"
    reason: str | None = None

    def settle(self, reason: str | None) -> None:
        self.missing -= 1
        self.reason = self.reason or reason
        if self.missing <= 0 and not self.done.done():
            self.done.set_result(None)


class Publisher:
    """Publishes lists of messages, in order. After NotAcknowledged, publish the list again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._client = bus.client
        self._prefix = f"{bus.inbox}.ack.{bus.client.new_inbox().rsplit('.', 1)[1]}"
        self._waiting: dict[int, Sent] = {}
        self._next = 0
        self._decode = msgspec.json.Decoder(_Ack).decode

    async def start(self) -> None:
        await self._client.subscribe(f"{self._prefix}.*", cb=self._on_ack)

    async def publish(self, messages: Sequence[Message], *, timeout_s: float = ACK_TIMEOUT_S) -> None:
        """Send and wait for the acknowledgement; raises NotAcknowledged."""
        if messages:
            await self.landed(await self.send(messages), timeout_s=timeout_s)

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Put the list on its way, before whatever is sent after it. `messages` must not be empty."""
        assert messages, "an empty list has nobody to acknowledge it"
        last = {stream_of(subject): position for position, (subject, _) in enumerate(messages)}
        asking = set(last.values())
        sent = Sent(len(messages), self._bus.epoch, len(asking), asyncio.get_running_loop().create_future())
        for position, (subject, payload) in enumerate(messages):
            if position in asking:
                self._waiting[self._next] = sent
                reply = f"{self._prefix}.{self._next}"
                self._next += 1
                await self._client.publish(subject, payload, reply)
            else:
                await self._client.publish(subject, payload)
        return sent

    async def landed(self, sent: Sent, *, timeout_s: float = ACK_TIMEOUT_S) -> None:
        """Wait until the list is acknowledged; raises NotAcknowledged."""
        try:
            await asyncio.wait_for(sent.done, timeout_s)
        except TimeoutError:
            sent.reason = sent.reason or f"no answer within {timeout_s:g} s"
            self._waiting = {number: other for number, other in self._waiting.items() if other is not sent}
        if sent.epoch != self._bus.epoch:
            sent.reason = sent.reason or "the connection broke meanwhile"
        if sent.reason is not None:
            raise NotAcknowledged(total=sent.total, reason=sent.reason)

    async def _on_ack(self, message: Msg) -> None:
        sent = self._waiting.pop(int(message.subject.rsplit(".", 1)[1]), None)
        if sent is not None:
            sent.settle(self._refusal(message))

    def _refusal(self, message: Msg) -> str | None:
        if message.headers and message.headers.get("Status") == "503":
            return "no stream takes this subject"
        if b'"error"' not in message.data:
            return None
        error = self._decode(message.data).error
        return None if error is None else str(error.get("description", error))
