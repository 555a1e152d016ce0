"""JSON that many decisions ask for, decoded once: each of 10,000 items may speak of the same large input."""

from functools import lru_cache

from penstock.contracts.wire import decode
from penstock.contracts.workflow import Json

LARGE_BYTES = 2_048  # below that decoding is quicker than it is worth remembering
VALUES_MAX = 16  # in memory; each at most OUTPUT_BYTES_MAX as JSON


def decoded(data: bytes) -> Json:
    """The value; shared, so nobody may change it. Raises Undecodable."""
    return decode(data, object) if len(data) < LARGE_BYTES else _remembered(data)


@lru_cache(maxsize=VALUES_MAX)
def _remembered(data: bytes) -> Json:
    return decode(data, object)
