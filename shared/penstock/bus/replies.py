"""Answers to JetStream messages: acknowledged a moment later, together; or given back at once."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from penstock.bus.connection import Bus

# Nobody waits for an acknowledgement, and each send of its own costs as much as ten messages in one.
ACK_AFTER_S = 0.01

_ACK = b""
_NAK = b"-NAK"


class Replies:
    """Takes answers at once and sends them together, without the caller having to wait."""

    def __init__(self, bus: Bus) -> None:
        self._client = bus.client
        self._waiting: list[tuple[str, bytes]] = []
        self._sender: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def ack(self, replies: Iterable[str]) -> None:
        """These messages are done with. If the process dies before it says so they come again, and mean nothing."""
        self._add((reply, _ACK) for reply in replies)

    def nak(self, replies: Iterable[str], *, delay: timedelta = timedelta(0)) -> None:
        """Deliver these messages again, to whoever asks, after `delay`."""
        nanoseconds = int(delay.total_seconds() * 1e9)
        payload = _NAK + b' {"delay": %d}' % nanoseconds if nanoseconds else _NAK
        self._add((reply, payload) for reply in replies)
        self._hurry.set()

    async def sent(self) -> None:
        """Send what there is, and wait until nothing is left."""
        self._hurry.set()
        while self._sender is not None:
            await asyncio.wait([self._sender])

    def _add(self, answers: Iterable[tuple[str, bytes]]) -> None:
        self._waiting.extend(answers)
        if self._sender is None and self._waiting:
            self._sender = asyncio.create_task(self._send())

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ACK_AFTER_S):
                await self._hurry.wait()
        self._hurry.clear()

    async def _send(self) -> None:
        """An answer that cannot be sent is lost: the message comes again after the bus's ack_wait."""
        try:
            while self._waiting:
                await self._gather()
                answers, self._waiting = self._waiting, []
                for reply, payload in answers:
                    await self._client.publish(reply, payload)
        finally:
            self._sender = None
