"""Answers to ready messages: acknowledged, or given back for another runner."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from penstock.bus.connection import Bus

_ACK = b""
_NAK = b"-NAK"


class Replies:
    """Takes answers at once and sends them together: one task for whatever gathers in a turn of the loop."""

    def __init__(self, bus: Bus) -> None:
        self._client = bus.client
        self._waiting: list[tuple[str, bytes]] = []
        self._sender: asyncio.Task[None] | None = None

    def ack(self, replies: Iterable[str]) -> None:
        """These messages are done with: the lease in the database owns the work, or it is someone else's."""
        self._add((reply, _ACK) for reply in replies)

    def nak(self, replies: Iterable[str], *, delay: timedelta = timedelta(0)) -> None:
        """Deliver these messages again, to whoever asks, after `delay`."""
        nanoseconds = int(delay.total_seconds() * 1e9)
        payload = _NAK + b' {"delay": %d}' % nanoseconds if nanoseconds else _NAK
        self._add((reply, payload) for reply in replies)

    async def sent(self) -> None:
        """Wait until nothing is left to send."""
        while self._sender is not None:
            await asyncio.wait([self._sender])

    def _add(self, answers: Iterable[tuple[str, bytes]]) -> None:
        self._waiting.extend(answers)
        if self._sender is None and self._waiting:
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        """An answer that cannot be sent is lost: the message comes again after the bus's ack_wait."""
        try:
            while self._waiting:
                answers, self._waiting = self._waiting, []
                for reply, payload in answers:
                    await self._client.publish(reply, payload)
        finally:
            self._sender = None
