"""Who asks, and what they sent: the parts of a gateway request, each with the error that it deserves."""

from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from agent_runner.gateway.sockets import tenant_of
from agent_runner.held import Held, HeldAttempts

ATTEMPT_HEADER = "penstock-attempt"
_BEARER = "bearer "
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

_TITLES = {
    401: "Unknown attempt",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "No longer yours",
    412: "Conflict",
    413: "Too large",
    422: "Wrong input",
    423: "Parked",
    500: "The runner failed",
    503: "Not now",
}


class Refused(Exception):
    """The request is answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def attempt_of(request: Request, attempts: HeldAttempts) -> Held:
    """The running attempt that the request names. A key is good at its own sandbox's socket only."""
    key = request.headers.get(ATTEMPT_HEADER) or _bearer(request)
    held = attempts.of_key(key)
    if held is None or tenant_of(held) != request.scope["state"].get("tenant"):
        raise Refused(
            401, "header Penstock-Attempt: expected the key in PENSTOCK_ATTEMPT_KEY of a running attempt"
        )
    return held


def _bearer(request: Request) -> str:
    """As clients of the OpenAI-compatible API send what they were given as a key."""
    given = request.headers.get("authorization", "")
    return given[len(_BEARER) :] if given.lower().startswith(_BEARER) else ""


async def body_of(request: Request, *, bytes_max: int) -> bytes:
    """The whole body, if it is small enough. It is not read further than that."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            raise Refused(413, f"expected a body of at most {bytes_max} bytes")
    return bytes(body)


async def pieces_of(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        if piece:
            yield piece


def json_answer(value: object, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON)


def problem(status: int, detail: str) -> Response:
    document = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Failed"),
        "status": status,
        "detail": detail,
    }
    return Response(msgspec.json.encode(document), status_code=status, media_type=PROBLEM_JSON)
