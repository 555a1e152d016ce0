"""WebSockets as our server speaks them: the library's protocol, with an end for clients that do not read.

A client that has stopped reading leaves bytes that cannot be sent. Its close frame has to go behind them instead of
waiting for room, and the connection must end although they are never taken.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_S_MAX = 30.0  # for a slow client to read what is on its way to it, and why it ends


class Sockets(WebSocketsSansIOProtocol):
    """One connection."""

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            self.writable.set()
            self.loop.call_later(LINGER_S_MAX, self.transport.abort)
        await super().send(message)

    def keepalive_timeout(self) -> None:
        """It has not answered a ping: nobody is there to read what is left."""
        super().keepalive_timeout()
        self.transport.abort()
