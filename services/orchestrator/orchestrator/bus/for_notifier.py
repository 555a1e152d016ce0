"""The notifier's consumer of events: it may only pull, so it is declared here, and again when it is missing."""

import nats.errors

from penstock.bus.connection import Bus
from penstock.bus.permissions import CONSUMER_NOTIFIER
from penstock.bus.streams import declare_consumer, declare_streams, is_declared
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable

LOOK_EVERY_S = 2.0  # events wait in their stream meanwhile


class NotifierConsumer:
    """Called by the clock."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def __call__(self) -> None:
        """Raises Unavailable while the bus is away."""
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
        except nats.errors.Error as error:
            raise Unavailable(f"consumer '{CONSUMER_NOTIFIER}' could not be declared: {error!r}") from error
