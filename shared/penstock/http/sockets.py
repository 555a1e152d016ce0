"""WebSockets as our server speaks them: the library's protocol, made for many readers of the same text.

A client that has stopped reading leaves bytes that cannot be sent. Its close frame has to go behind them instead of
waiting for room, and the connection must end although they are never taken.
"""

from functools import lru_cache
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

FRAMES_REMEMBERED = 64  # what a moment brings, and each of many readers gets
LINGER_S_MAX = 30.0  # for a slow client to read what is on its way to it, and why it ends


@lru_cache(maxsize=FRAMES_REMEMBERED)
def _text_frame(text: str) -> bytes:
    """What goes over the wire is the same for all: a server does not mask, and nothing is compressed."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class Sockets(WebSocketsSansIOProtocol):
    """One connection."""

    async def send(self, message: Any) -> None:
        text = message.get("text")
        if text is not None and self.conn.state is not State.CONNECTING and not self.conn.extensions:
            await self.writable.wait()
            if self.conn.state is State.OPEN and not self.disconnected:
                self.transport.write(_text_frame(text))
                return
            raise ClientDisconnected  # it has closed, or was dropped: the library would call this our mistake
        if message["type"] == "websocket.close":
            self.writable.set()
            self.loop.call_later(LINGER_S_MAX, self.transport.abort)
        await super().send(message)

    def keepalive_timeout(self) -> None:
        """It has not answered a ping: nobody is there to read what is left."""
        super().keepalive_timeout()
        self.transport.abort()
