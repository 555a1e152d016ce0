"""Where a page of a list ends: an opaque text for the client, a row's sort key for us."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from penstock.contracts.errors import InvalidInput

K = TypeVar("K", bound=msgspec.Struct)


class RunKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    created_at: datetime
    id: UUID


class NameKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    name: str


class IndexKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    index: int


class VersionKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]


class ScheduleKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    workflow: str
    name: str


class SortKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a row of a store stands: numbers as numbers, text as text, rows of one value by their keys."""

    rank: Annotated[int, msgspec.Meta(ge=0, le=4)]
    number: Decimal
    text: str
    key: str


def write_cursor(key: msgspec.Struct) -> str:
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def read_cursor(text: str, kind: type[K]) -> K:
    """Raises InvalidInput for anything that `write_cursor` did not write."""
    try:
        key = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidInput.at("cursor", "expected the `next` of a former page, unchanged") from error
    if "\x00" in repr(key) or (isinstance(key, RunKey) and key.created_at.tzinfo is None):
        raise InvalidInput.at("cursor", "expected the `next` of a former page, unchanged")
    return key
