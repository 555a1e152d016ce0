"""One connection to NATS that never gives up, and says in the log what the server refuses."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import nats
import nats.errors
import structlog
from nats.aio.client import Client

RECONNECT_WAIT_S = 0.2
PING_EVERY_S = (
    10  # a server that is frozen or cut off is seen as away after 30 s; the client's own 2 minutes are 6
)
PINGS_UNANSWERED_MAX = 2
PENDING_BYTES_MAX = 64 * 1024 * 1024  # what is buffered while the server is away

log = structlog.get_logger(__name__)


class Bus:
    """A connection with its reconnect listeners. `inbox` is the prefix that this user may subscribe to."""

    def __init__(self, client: Client, *, inbox: str) -> None:
        self.client = client
        self.inbox = inbox
        self.epoch = 0  # grows whenever the connection breaks: what was on its way may be lost
        self._reconnected: list[Callable[[], None]] = []

    @property
    def is_connected(self) -> bool:
        return self.client.is_connected

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each reconnect: pulls parked at the server are gone then."""
        self._reconnected.append(listener)

    def tell_reconnected(self) -> None:
        for listener in self._reconnected:
            listener()


@asynccontextmanager
async def connect(*, url: str, user: str, password: str, name: str) -> AsyncIterator[Bus]:
    """Connect as `user`, wait for the first connection as long as it takes, close at the end.

    A user's inboxes are below `_INBOX_<user>`, so that nobody can listen to another's answers.
    """
    inbox = f"_INBOX_{user}"
    bus: Bus | None = None

    async def on_error(error: Exception) -> None:
        log.warning("bus.error", error=str(error), error_type=type(error).__name__)

    async def on_disconnect() -> None:
        if bus is not None:
            bus.epoch += 1
        log.warning("bus.disconnected", url=url)

    async def on_reconnect() -> None:
        log.info("bus.reconnected", url=url)
        if bus is not None:
            bus.tell_reconnected()

    client = await nats.connect(
        url,
        user=user,
        password=password,
        name=name,
        inbox_prefix=inbox.encode(),
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_WAIT_S,
        allow_reconnect=True,
        pending_size=PENDING_BYTES_MAX,
        ping_interval=PING_EVERY_S,
        max_outstanding_pings=PINGS_UNANSWERED_MAX,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
    )
    bus = Bus(client, inbox=inbox)
    try:
        yield bus
    finally:
        with suppress(OSError, nats.errors.Error):  # the server may be away
            await client.close()
