"""The stream that alerts go to, and when it was made: a new one has lost what the former one had taken."""

from typing import Any

import msgspec
import nats.errors

from penstock.bus.connection import Bus
from penstock.bus.permissions import stream_info
from penstock.contracts.subjects import STREAM_INBOX

ANSWER_S = 1.0

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Inbox:
    """Called before alerts are published."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def made_at(self) -> str | None:
        """As the bus says it; None if it does not answer, or has no such stream."""
        if not self._bus.is_connected:
            return None
        try:
            answer = await self._bus.client.request(stream_info(STREAM_INBOX), b"", timeout=ANSWER_S)
            made_at = _decode(answer.data).get("created")
        except (TimeoutError, nats.errors.Error, msgspec.DecodeError):
            return None
        return made_at if isinstance(made_at, str) else None
