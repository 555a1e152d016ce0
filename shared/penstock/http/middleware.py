"""Around every request, as pure ASGI: its id, its metrics, and the answer to an error nobody expected."""

import re
import time
from collections.abc import Mapping

import structlog
import uuid_utils
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.http.problems import internal_problem
from penstock.telemetry import metrics

log = structlog.get_logger(__name__)

UNMATCHED = "unmatched"

_CLIENT_ID = re.compile(
    r"[A-Za-z0-9._-]{1,64}"
)  # an id that a client may bring; anything else gets one of ours


def request_id_of(scope: Scope) -> str:
    request_id: str = scope["state"]["request_id"]
    return request_id


def mark_long_poll(scope: Scope) -> None:
    """Leave this request out of the latency figures: it waits because the client wants it to."""
    scope["state"]["long_poll"] = True


class RequestScope:
    """Outermost of ours: sees each answer, also those of errors."""

    def __init__(self, app: ASGIApp, templates: Mapping[object, str]) -> None:
        """`templates`: who answers → the path template of its route, for the metrics."""
        self._app = app
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._app(scope, receive, _refusals_named(scope, send))
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        metrics.HTTP_IN_FLIGHT.inc()
        try:
            await self._app(scope, receive, exchange.send)
        except Exception:
            exchange.log_failure()
            if exchange.answered:
                raise  # what has begun cannot be taken back: the connection must break
            await internal_problem(request_id=exchange.request_id)(scope, receive, exchange.send)
        finally:
            metrics.HTTP_IN_FLIGHT.dec()
            exchange.count(self._templates.get(scope.get("endpoint"), UNMATCHED))


def _name(scope: Scope) -> str:
    """The id of a request: what its client brought, or a new one."""
    given = Headers(scope=scope).get("x-request-id", "")
    request_id = given if _CLIENT_ID.fullmatch(given) else str(uuid_utils.uuid7())
    scope.setdefault("state", {})["request_id"] = request_id
    return request_id


def _refusals_named(scope: Scope, send: Send) -> Send:
    """A WebSocket has an id too: an answer instead of the upgrade carries it. It counts with the live views."""
    request_id = _name(scope)

    async def named(message: Message) -> None:
        if message["type"] == "websocket.http.response.start":
            MutableHeaders(scope=message)["x-request-id"] = request_id
        await send(message)

    return named


class _Exchange:
    """One request and its answer, while it is being answered."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.request_id = _name(scope)
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._status = 0  # not answered yet

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)["x-request-id"] = self.request_id
        await self._send(message)

    @property
    def answered(self) -> bool:
        return self._status != 0

    def log_failure(self) -> None:
        log.exception(
            "http.internal_error",
            request_id=self.request_id,
            method=self._scope["method"],
            path=self._scope["path"],
        )

    def count(self, route: str) -> None:
        method = self._scope["method"] if route != UNMATCHED else UNMATCHED  # a client may invent methods
        metrics.HTTP_REQUESTS.labels(method, route, str(self._status)).inc()
        if not self._scope["state"].get("long_poll"):
            metrics.HTTP_SECONDS.labels(method, route).observe(time.perf_counter() - self._began)
