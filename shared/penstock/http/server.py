"""The HTTP server of a service, for a socket that is taken already; signals stay with the service."""

import uvicorn
from starlette.types import ASGIApp


def http_server(app: ASGIApp, *, drain_s: float) -> uvicorn.Server:
    """`drain_s`: how long a stopping server lets its requests end."""
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(drain_s),
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    return server
