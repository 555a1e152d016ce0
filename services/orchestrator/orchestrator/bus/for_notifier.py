"""The notifier's consumer of events: it may only pull, so it is declared here, and again when it is missing.

A missing consumer means that the bus has lost what it carried, perhaps before the notifier took it: then the latest
events are published once more. That they are owed stands in the consumer's description until it is done, so that
another orchestrator does it when the one that made the consumer dies meanwhile.
"""

from collections.abc import Awaitable, Callable

import nats.errors
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from penstock.bus.connection import Bus
from penstock.bus.permissions import CONSUMER_NOTIFIER
from penstock.bus.publisher import NotAcknowledged
from penstock.bus.streams import declare_consumer, declare_streams
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable

DECLARE_EVERY_S = 2.0  # events wait in their stream meanwhile
_OWED = "new: the latest events are to be published again"
_SETTLED = "events for the notifier"


class NotifierConsumer:
    """Called by the clock. `replay` publishes the latest events again."""

    def __init__(self, bus: Bus, replay: Callable[[], Awaitable[None]]) -> None:
        self._bus = bus
        self._replay = replay

    async def __call__(self) -> None:
        """Raises Unavailable; what is owed stays owed."""
        if not self._bus.is_connected:
            return  # said by the connection already
        jetstream = self._bus.client.jetstream()
        try:
            if not await _owes_replay(jetstream):
                return
            await self._replay()
            await _declare(jetstream, _SETTLED)
        except nats.errors.Error as error:
            raise Unavailable(f"consumer '{CONSUMER_NOTIFIER}' could not be declared: {error!r}") from error
        except NotAcknowledged as error:
            raise Unavailable(f"events could not be published again: {error}") from error


async def _owes_replay(jetstream: JetStreamContext) -> bool:
    """Whether the latest events are to be published again; the consumer is there afterwards."""
    try:
        info = await jetstream.consumer_info(subjects.STREAM_EVENTS, CONSUMER_NOTIFIER)
    except NotFoundError:  # it, or its stream
        await declare_streams(jetstream)
        await _declare(jetstream, _OWED)
        return True
    return bool(info.config.description == _OWED)


async def _declare(jetstream: JetStreamContext, description: str) -> None:
    await declare_consumer(
        jetstream,
        stream=subjects.STREAM_EVENTS,
        durable=CONSUMER_NOTIFIER,
        subject=f"{subjects.EVENT}.>",
        description=description,
    )
