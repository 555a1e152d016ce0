"""The HTTP server of a service, for a socket that is taken already; signals stay with the service."""

import uvicorn
from starlette.types import ASGIApp

from penstock.http.sockets import Sockets

PING_EVERY_S = 20.0
PONG_S_MAX = 20.0  # then the client is taken for dead


def http_server(app: ASGIApp, *, drain_s: float, message_bytes_max: int | None = None) -> uvicorn.Server:
    """`drain_s`: how long a stopping server lets its requests end. `message_bytes_max`: of what WebSockets may be
    told; without it there are none."""
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none" if message_bytes_max is None else Sockets,
        ws_max_size=message_bytes_max or 0,
        ws_ping_interval=PING_EVERY_S,
        ws_ping_timeout=PONG_S_MAX,
        ws_per_message_deflate=False,  # it costs each connection memory, and each frame more than sending it
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(drain_s),
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    return server
