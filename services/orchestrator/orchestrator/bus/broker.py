"""FastStream on our own connection: for rare messages, and for the AsyncAPI document. Hot loops use nats-py."""

from typing import Annotated, Any

import msgspec
from faststream.nats import NatsBroker
from nats.aio.client import Client
from pydantic import PlainValidator, WithJsonSchema

from penstock.contracts.workflow import Json


class SharedBroker(NatsBroker):
    """A broker that neither opens nor closes its connection: it takes the service's own."""

    def __init__(self, client: Client | None = None) -> None:
        super().__init__(logger=None)
        self._client = client

    async def _connect(self) -> Client:
        assert self._client is not None, "a broker for the document alone is never started"
        self.config.connect(self._client)
        return self._client


async def as_bytes(message: Any) -> bytes:
    """The body as it came: our own strict decoder reads it."""
    return bytes(message.body)


def documented(kind: type) -> Any:
    """An annotation that shows `kind`'s schema in the document and passes the body through undecoded."""
    return Annotated[bytes, PlainValidator(lambda body: body), WithJsonSchema(inline_schema(kind))]


def inline_schema(kind: type) -> dict[str, Json]:
    """The JSON Schema of a message, without references: each channel of the document stands by itself."""
    schema = msgspec.json.schema(kind)
    definitions = schema.pop("$defs", {})
    inlined = _inline(schema, definitions)
    assert isinstance(inlined, dict)
    return inlined


def _inline(schema: Json, definitions: dict[str, Json]) -> Json:
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    return {key: _inline(value, definitions) for key, value in schema.items()}
