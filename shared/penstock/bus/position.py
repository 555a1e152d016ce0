"""A place in a stream that can be written down and come back to."""

import re

from nats.js.api import StreamInfo

from penstock.contracts.value import Value

_WRITTEN = re.compile(r"([0-9a-f]{1,16})-([0-9]{1,19})")


class Position(Value, frozen=True):
    """`stream`: when the stream was created, in microseconds. One that lost all it had is another stream."""

    stream: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.stream:x}-{self.sequence}"


def read_position(text: str) -> Position | None:
    """What `str(position)` gave; None when it is nothing of the kind."""
    found = _WRITTEN.fullmatch(text)
    return None if found is None else Position(int(found[1], 16), int(found[2]))


def end_of(info: StreamInfo) -> Position:
    """The last message that the stream took."""
    assert info.created is not None, "a server says when a stream was created"
    return Position(int(info.created.timestamp() * 1e6), info.state.last_seq)
