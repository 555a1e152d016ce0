"""An answer of a model on its way to the agent."""

from collections.abc import AsyncIterator
from typing import TypeAlias

from penstock.contracts.value import Value


class Whole(Value, frozen=True):
    """A complete answer. `is_replayed`: an earlier attempt got it."""

    raw: bytes
    is_replayed: bool = False


class Streamed(Value, frozen=True):
    """An answer in events, complete with their framing. Whoever takes them closes them."""

    events: AsyncIterator[bytes]
    is_replayed: bool = False


Answer: TypeAlias = Whole | Streamed
