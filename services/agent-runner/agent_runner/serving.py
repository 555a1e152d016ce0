"""Serves an ASGI application on sockets that come and go: uvicorn's protocol on asyncio's servers."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

CONNECTIONS_MAX = 64  # at one socket: an agent cannot use up the runner's descriptors
KEEP_ALIVE_S = 60

_EVERYBODY = 0o666  # the sandbox has a user of its own; who reaches the path may connect


class Serving:
    """One application, on any number of sockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = Config(
            app,
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._config.load()

    async def on_unix(self, path: Path, *, state: Mapping[str, Any]) -> "Served":
        """Serve at `path`; requests find `state` in their scope's state."""
        connections = ServerState()
        server = await asyncio.get_running_loop().create_unix_server(
            lambda: self._protocol(connections, state), str(path)
        )
        os.chmod(path, _EVERYBODY)
        return Served(server, connections, path)

    async def on_tcp(self, host: str, port: int) -> "Served":
        connections = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: self._protocol(connections, {}), host, port
        )
        return Served(server, connections, None)

    def _protocol(self, connections: ServerState, state: Mapping[str, Any]) -> "_Limited":
        return _Limited(config=self._config, server_state=connections, app_state=dict(state))


class Served:
    """A socket that is being listened to."""

    def __init__(self, server: asyncio.Server, connections: ServerState, path: Path | None) -> None:
        self._server, self._connections, self.path = server, connections, path

    @property
    def port(self) -> int:
        """Where a TCP socket listens, when the system chose."""
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening, hang up on everybody, remove the path."""
        self._server.close()
        for connection in tuple(self._connections.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class _Limited(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= CONNECTIONS_MAX:
            transport.abort()
        super().connection_made(transport)
