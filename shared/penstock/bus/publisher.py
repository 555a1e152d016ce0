"""Publishing to JetStream, pipelined: many messages on their way, one answer for the whole list."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from nats.aio.msg import Msg

from penstock.bus.connection import Bus

ACK_TIMEOUT_S = 5.0

Message = tuple[str, bytes]


class NotAcknowledged(Exception):
    """The server did not confirm every message: it is away, refuses them, or its stream is missing."""

    def __init__(self, *, missing: int, total: int, reason: str) -> None:
        super().__init__(f"{missing} of {total} messages were not acknowledged: {reason}")
        self.reason = reason


class _Ack(msgspec.Struct):
    error: dict[str, object] | None = None


@dataclass
class _Batch:
    """Messages that await their acknowledgements together."""

    total: int
    done: asyncio.Future[None]
    missing: int = field(init=False)
    reason: str | None = None

    def __post_init__(self) -> None:
        self.missing = self.total

    def settle(self, reason: str | None) -> None:
        self.missing -= 1
        self.reason = self.reason or reason
        if self.missing == 0 and not self.done.done():
            self.done.set_result(None)


class Publisher:
    """Publishes lists of messages in order. After NotAcknowledged, publish the list again."""

    def __init__(self, bus: Bus) -> None:
        self._client = bus.client
        self._prefix = f"{bus.inbox}.ack.{bus.client.new_inbox().rsplit('.', 1)[1]}"
        self._waiting: dict[int, _Batch] = {}
        self._next = 0
        self._decode = msgspec.json.Decoder(_Ack).decode

    async def start(self) -> None:
        await self._client.subscribe(f"{self._prefix}.*", cb=self._on_ack)

    async def publish(self, messages: Sequence[Message], *, timeout_s: float = ACK_TIMEOUT_S) -> None:
        """Publish and wait for all acknowledgements; raises NotAcknowledged."""
        if not messages:
            return
        batch = _Batch(len(messages), asyncio.get_running_loop().create_future())
        first = self._next
        self._next += len(messages)
        try:
            await self._send(messages, batch, first)
            await asyncio.wait_for(batch.done, timeout_s)
        except TimeoutError:
            batch.reason = batch.reason or f"no answer within {timeout_s:g} s"
        finally:
            for number in range(first, first + len(messages)):
                self._waiting.pop(number, None)
        if batch.reason is not None:
            raise NotAcknowledged(missing=max(batch.missing, 1), total=batch.total, reason=batch.reason)

    async def _send(self, messages: Sequence[Message], batch: _Batch, first: int) -> None:
        for number, (subject, payload) in enumerate(messages, start=first):
            self._waiting[number] = batch
            await self._client.publish(subject, payload, f"{self._prefix}.{number}")

    async def _on_ack(self, message: Msg) -> None:
        number = int(message.subject.rsplit(".", 1)[1])
        batch = self._waiting.pop(number, None)
        if batch is None:
            return
        batch.settle(self._refusal(message))

    def _refusal(self, message: Msg) -> str | None:
        if message.headers and message.headers.get("Status") == "503":
            return "no stream takes this subject"
        if b'"error"' not in message.data:
            return None
        error = self._decode(message.data).error
        return None if error is None else str(error.get("description", error))
