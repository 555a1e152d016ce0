"""FastStream on our own connection: for rare messages. Hot loops use nats-py."""

from typing import Any

from faststream.nats import NatsBroker
from nats.aio.client import Client


class SharedBroker(NatsBroker):
    """A broker that neither opens nor closes its connection: it takes the service's own."""

    def __init__(self, client: Client) -> None:
        super().__init__(logger=None)
        self._client = client

    async def _connect(self) -> Client:
        self.config.connect(self._client)
        return self._client


async def as_bytes(message: Any) -> bytes:
    """The body as it came: our own strict decoder reads it."""
    return bytes(message.body)
