"""How messages are written and read: JSON by msgspec, strict, and a clear reason when it cannot be."""

from typing import TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[object]] = {}


class Undecodable(ValueError):
    """A message that is not what its subject promises; it goes to the dead letters with this reason."""


def encode(message: object) -> bytes:
    return _encoder.encode(message)


def decode(data: bytes | bytearray | memoryview, kind: type[T]) -> T:
    """`data` as a `kind`; raises Undecodable with the field and the reason."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(data)  # type: ignore[return-value]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"not a {kind.__name__}: {error}") from error


def raw(data: bytes) -> msgspec.Raw:
    """JSON that is already encoded, to be put into a message as it is."""
    return msgspec.Raw(data)
