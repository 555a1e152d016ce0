"""How an endpoint is declared: its path, who answers it, what it takes and gives. The OpenAPI page is made of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

Handle = Callable[[Request], Awaitable[Response]]

_encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """What an endpoint may answer. `kind` is the struct that is encoded, several if it may be any of them, or
    None for no JSON of ours."""

    description: str
    kind: Any = None
    media_type: str = "application/json"

    @property
    def kinds(self) -> tuple[Any, ...]:
        return self.kind if isinstance(self.kind, tuple) else () if self.kind is None else (self.kind,)


class Body(msgspec.Struct, frozen=True):
    """What an endpoint takes: a struct whose fields are all there are, or a schema of its own."""

    kind: Any
    media_types: tuple[str, ...] = ("application/json",)
    example: Any = None
    required: bool = True


class Endpoint(msgspec.Struct, frozen=True):
    """`name` is the operation's id; `query` a struct that names every parameter there is."""

    method: str
    path: str
    handle: Handle
    name: str
    summary: str
    answers: dict[int, Answer]
    description: str = ""
    query: type[msgspec.Struct] | None = None
    body: Body | None = None
    is_rated: bool = False  # a 429 may come
    conflicts: str = ""  # what a 409 means here; empty: there is none

    @property
    def errors(self) -> tuple[int, ...]:
        """Which problems may be answered, beside those of the network."""
        found = [404] if "{" in self.path else []
        found += [409] if self.conflicts else []
        found += [429] if self.is_rated else []
        found += [400, 413, 415, 422] if self.body else [422] if self.query else []
        return tuple(sorted({*found, 503}))


def json_answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value`, encoded by msgspec: no model is validated on the way out."""
    return Response(_encoder.encode(value), status, headers, "application/json")
