"""A span for each request that belongs to a trace, or begins one: the beginning of a run's trace."""

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.http.middleware import UNMATCHED
from penstock.telemetry.span import SpanKind
from penstock.telemetry.traceparent import is_sampled, parse_traceparent
from penstock.telemetry.tracing import Tracing

HEADER = "traceparent"
_READS = frozenset({"GET", "HEAD"})  # they change nothing, and some ask every second: they begin no trace
SERVER_ERROR = 500


def traceparent_of(request: Request) -> str | None:
    """The span above what this request asks for: its own where it has one, else the client's.

    A trace that is not well formed is not ours to refuse: it is left out.
    """
    own: str | None = request.scope.get("state", {}).get(HEADER)
    return own or _given(request.scope)


class TracedRequests:
    """Gives requests their span. Only there where traces are on."""

    def __init__(self, app: ASGIApp, templates: Mapping[object, str], tracing: Tracing) -> None:
        self._app = app
        self._templates = templates
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _given(scope)
        own = given if given is None and scope["method"] in _READS else self._tracing.begin(given)
        if own is not None:
            scope.setdefault("state", {})[HEADER] = own
        if not is_sampled(own):
            await self._app(scope, receive, send)
            return
        answered = _Answered(send)
        start = datetime.now(UTC)
        try:
            await self._app(scope, receive, answered.send)
        finally:
            self._emit(scope, own=own, given=given, start=start, status=answered.status)

    def _emit(
        self, scope: Scope, *, own: str | None, given: str | None, start: datetime, status: int
    ) -> None:
        route = self._templates.get(scope.get("endpoint"), UNMATCHED)
        self._tracing.emit(
            f"{scope['method']} {route}" if route != UNMATCHED else UNMATCHED,
            own=own,
            parent=given,
            start=start,
            end=datetime.now(UTC),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": status,
                "penstock.request": str(scope["state"].get("request_id", "")),
            },
            error=f"status {status}" if status >= SERVER_ERROR else None,
        )


class _Answered:
    """Remembers the status on its way out; an error that nobody answered will be a 500."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = SERVER_ERROR

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _given(scope: Scope) -> str | None:
    given = Headers(scope=scope).get(HEADER)
    return given if parse_traceparent(given) is not None else None
