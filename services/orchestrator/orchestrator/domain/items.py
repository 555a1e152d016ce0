"""The items of a `foreach` node, as they were when it began."""

from functools import lru_cache

from penstock.contracts.wire import decode
from penstock.contracts.workflow import Json

LISTS_MAX = 16  # decoded lists in memory; each at most FOREACH_BYTES_MAX as JSON


@lru_cache(maxsize=LISTS_MAX)
def items_of(input: bytes) -> tuple[Json, ...]:
    """The list that a `foreach` node keeps as its input. Decoded once: every item asks for it."""
    return tuple(decode(input, list[object]))
