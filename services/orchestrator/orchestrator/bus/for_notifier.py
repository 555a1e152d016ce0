"""The notifier's consumer of events: it may only pull, so it is declared here, and again when it is missing.

A missing consumer means that the bus has lost what it carried, perhaps before the notifier took it: then the latest
events are published once more.
"""

from collections.abc import Awaitable, Callable

import nats.errors

from penstock.bus.connection import Bus
from penstock.bus.permissions import CONSUMER_NOTIFIER
from penstock.bus.publisher import NotAcknowledged
from penstock.bus.streams import declare_consumer, declare_streams, is_declared
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable

DECLARE_EVERY_S = 2.0  # events wait in their stream meanwhile


class NotifierConsumer:
    """Called by the clock. `replay` publishes the latest events again."""

    def __init__(self, bus: Bus, replay: Callable[[], Awaitable[None]]) -> None:
        self._bus = bus
        self._replay = replay
        self._owes_replay = False

    async def __call__(self) -> None:
        """Raises Unavailable; what is owed stays owed."""
        await self._declare()
        if not self._owes_replay:
            return
        try:
            await self._replay()
        except NotAcknowledged as error:
            raise Unavailable(f"events could not be published again: {error}") from error
        self._owes_replay = False

    async def _declare(self) -> None:
        if not self._bus.is_connected:
            return  # said by the connection already
        jetstream = self._bus.client.jetstream()
        try:
            if await is_declared(jetstream, stream=subjects.STREAM_EVENTS, durable=CONSUMER_NOTIFIER):
                return
            await declare_streams(jetstream)
            await declare_consumer(
                jetstream,
                stream=subjects.STREAM_EVENTS,
                durable=CONSUMER_NOTIFIER,
                subject=f"{subjects.EVENT}.>",
            )
            self._owes_replay = True
        except nats.errors.Error as error:
            raise Unavailable(f"consumer '{CONSUMER_NOTIFIER}' could not be declared: {error!r}") from error
