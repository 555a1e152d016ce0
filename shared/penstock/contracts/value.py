"""The base of every immutable value, and how to make a changed one. Fast: a run makes many."""

from typing import TypeVar

import msgspec

V = TypeVar("V", bound=msgspec.Struct)


class Value(msgspec.Struct, frozen=True):
    """An immutable record, compared by its fields."""


def replace(value: V, /, **changes: object) -> V:
    """A copy of `value` with some fields changed."""
    return msgspec.structs.replace(value, **changes)
