"""An HTTP application of endpoints, with our answers to everything that goes wrong; it holds nothing global."""

from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from penstock.contracts.errors import PenstockError
from penstock.http.endpoint import Endpoint
from penstock.http.middleware import RequestScope, request_id_of
from penstock.http.openapi import Page, openapi_document
from penstock.http.problems import problem, problem_of
from penstock.http.tracing import TracedRequests
from penstock.telemetry.tracing import OFF, Tracing

OPENAPI_PATH = "/api/v1/openapi.json"

# We tell of our requests ourselves, once: in middleware.py and tracing.py.
_OWN_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)


def build_app(
    endpoints: Sequence[Endpoint],
    page: Page,
    tracing: Tracing = OFF,
    *,
    sockets: Sequence[WebSocketRoute] = (),
) -> FastAPI:
    """`sockets`: WebSockets, which the OpenAPI page has no words for."""
    # No interactive pages: they would load scripts from other people's servers.
    app = FastAPI(
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_OWN_TELEMETRY,
    )
    app.openapi = partial(openapi_document, endpoints, page)  # type: ignore[method-assign]
    for endpoint in endpoints:
        app.add_route(endpoint.path, endpoint.handle, [endpoint.method], include_in_schema=False)
    app.router.routes += [*sockets, WebSocketRoute("/{path:path}", _no_such_socket)]
    app.add_exception_handler(PenstockError, _refused)
    app.add_exception_handler(HTTPException, _unroutable)
    app.add_exception_handler(ClientDisconnect, _gone)
    templates: dict[object, str] = {endpoint.handle: endpoint.path for endpoint in endpoints}
    if tracing.is_on:
        app.add_middleware(TracedRequests, templates=templates, tracing=tracing)
    app.add_middleware(RequestScope, templates=templates)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, PenstockError)
    return problem_of(error, request_id=request_id_of(request.scope))


async def _gone(request: Request, error: Exception) -> Response:
    """The client left before its request was whole. Nobody hears this answer; the metrics count it."""
    return Response(status_code=499)


async def _unroutable(request: Request, error: Exception) -> Response:
    """No such path, or not with this method: the framework's own errors, in our form."""
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}; every path is in {OPENAPI_PATH}"
    return problem(
        error.status_code,
        "no-such-path" if error.status_code == 404 else "refused",
        str(error.detail),
        detail,
        request_id=request_id_of(request.scope),
        headers=dict(error.headers or {}),
    )


async def _no_such_socket(socket: WebSocket) -> None:
    detail = f"no WebSocket at {socket.url.path}"
    request_id = request_id_of(socket.scope)
    await socket.send_denial_response(
        problem(404, "no-such-path", "Not Found", detail, request_id=request_id)
    )
