"""What a client hears when something is wrong: RFC 9457 problem documents, one for each class of error.

PenstockError (penstock.contracts.errors)
├── Malformed          400   the body is not JSON, the text not UTF-8
├── InvalidInput       422   each problem with its path
│   └── LimitExceeded  413
├── NotFound           404
├── Conflict           409
├── UnknownMediaType   415
├── RateExceeded       429
└── Unavailable        503
"""

import math

import msgspec
from starlette.responses import Response

from penstock.contracts.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PenstockError,
    Problem,
    RateExceeded,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2

_encoder = msgspec.json.Encoder()


class Malformed(PenstockError):
    """The request cannot be read at all."""


class UnknownMediaType(PenstockError):
    """The body is in a format that is not understood here."""


class ProblemDocument(msgspec.Struct, frozen=True):
    """RFC 9457. `request_id` is in the header X-Request-Id too, and in the log."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: tuple[Problem, ...] = ()


# The most special first: the first class that fits decides.
_ANSWERS: tuple[tuple[type[PenstockError], int, str, str], ...] = (
    (Malformed, 400, "malformed", "The request cannot be read"),
    (NotFound, 404, "not-found", "Not found"),
    (Conflict, 409, "conflict", "Conflict"),
    (LimitExceeded, 413, "too-large", "Too large"),
    (UnknownMediaType, 415, "unknown-media-type", "Unknown media type"),
    (InvalidInput, 422, "invalid-input", "Invalid input"),
    (RateExceeded, 429, "too-many-requests", "Too many requests"),
    (Unavailable, 503, "unavailable", "Try again later"),
    (PenstockError, 400, "refused", "Refused"),
)


def problem_of(error: PenstockError, *, request_id: str) -> Response:
    """The answer to an error that the caller can do something about."""
    _, status, name, title = next(answer for answer in _ANSWERS if isinstance(error, answer[0]))
    problems = error.problems if isinstance(error, InvalidInput) else ()
    headers = _retry_after(error)
    return problem(status, name, title, str(error), request_id=request_id, problems=problems, headers=headers)


def _retry_after(error: PenstockError) -> dict[str, str] | None:
    """Whole seconds, as the header wants them."""
    if isinstance(error, RateExceeded):
        return {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
    return {"retry-after": str(RETRY_AFTER_S)} if isinstance(error, Unavailable) else None


def problem(
    status: int,
    name: str,
    title: str,
    detail: str,
    *,
    request_id: str,
    problems: tuple[Problem, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    document = ProblemDocument(f"urn:penstock:problem:{name}", title, status, detail, request_id, problems)
    return Response(_encoder.encode(document), status, headers, MEDIA_TYPE)


def internal_problem(*, request_id: str) -> Response:
    """Nothing of the error itself: it is in the log, under the same request id."""
    return problem(
        500,
        "internal",
        "Internal error",
        f"an internal error; the log has it under request id {request_id}",
        request_id=request_id,
    )
