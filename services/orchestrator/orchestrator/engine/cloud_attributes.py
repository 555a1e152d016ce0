"""What each attribute of a CloudEvent must be; `checked` gives its value, or says what was expected."""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from penstock.contracts.workflow import Json

# Together the names of an event must fit into an entry of the index that keeps them unique (2,700 bytes).
ID_CHARS_MAX = 255
SOURCE_CHARS_MAX = 1_000  # ASCII
TYPE_CHARS_MAX = 255
TEXT_CHARS_MAX = 1_000  # of a subject or a media type
EXTENSION_MAX = 2**31  # CloudEvents: a whole number has 32 bits

_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:{_URI_REFERENCE.pattern}")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+\-]+/[\w!#$&^.+\-]+(\s*;.*)?", re.ASCII)
_NAME = re.compile(r"[a-z0-9]{1,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Wrong(ValueError):
    """What was expected."""


def checked(name: str, value: Json) -> Json:
    """The value of attribute `name`; raises Wrong."""
    check = _CHECKS.get(name)
    return _extension(name, value) if check is None else check(value)


def known_attributes() -> frozenset[str]:
    """Those that CloudEvents names itself; all others are extensions."""
    return frozenset(_CHECKS)


def _version(value: Json) -> Json:
    if value != "1.0":
        raise Wrong(f'expected "1.0", got {_short(value)}')
    return value


def _text(chars_max: int) -> Callable[[Json], Json]:
    def check(value: Json) -> Json:
        if not isinstance(value, str) or not value:
            raise Wrong(f"expected a text that is not empty, got {_short(value)}")
        if len(value) > chars_max:
            raise Wrong(f"expected at most {chars_max} characters, got {len(value)}")
        if _CONTROL.search(value):
            raise Wrong("expected a text without control characters")
        return value

    return check


def _matching(pattern: re.Pattern[str], expected: str, chars_max: int) -> Callable[[Json], Json]:
    text = _text(chars_max)

    def check(value: Json) -> Json:
        if not pattern.fullmatch(text(value)):
            raise Wrong(f"expected {expected}, got {_short(value)}")
        return value

    return check


def _time(value: Json) -> Json:
    try:
        moment = msgspec.convert(value, datetime)
        if not isinstance(value, str) or moment.tzinfo is None:
            raise Wrong(f"expected a moment with its zone, like 2026-11-21T09:30:00Z, got {_short(value)}")
        return moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError) as error:
        raise Wrong(f"expected a moment like 2026-11-21T09:30:00Z, got {_short(value)}") from error


def _base64(value: Json) -> Json:
    try:
        b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Wrong(f"expected a text in base64, got {_short(value)}") from error
    return value


def _extension(name: str, value: Json) -> Json:
    if not _NAME.fullmatch(name):
        raise Wrong("expected a name of lower-case letters and digits, at most 63")
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and -EXTENSION_MAX <= value < EXTENSION_MAX:
        return value
    if not isinstance(value, str):
        raise Wrong(f"expected a text, a whole number of 32 bits or a boolean, got {_short(value)}")
    if _CONTROL.search(value):
        raise Wrong("expected a text without control characters")
    return value


def _short(value: Json) -> str:
    shown = msgspec.json.encode(value).decode() if not isinstance(value, str) else f"'{value}'"
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


_CHECKS: dict[str, Callable[[Json], Json]] = {
    "specversion": _version,
    "id": _text(ID_CHARS_MAX),
    "source": _matching(_URI_REFERENCE, "a URI reference, like /my/system", SOURCE_CHARS_MAX),
    "type": _text(TYPE_CHARS_MAX),
    "subject": _text(TEXT_CHARS_MAX),
    "time": _time,
    "datacontenttype": _matching(_MEDIA_TYPE, "a media type, like application/json", TEXT_CHARS_MAX),
    "dataschema": _matching(_URI, "a URI, like https://example.com/schema.json", SOURCE_CHARS_MAX),
    "data_base64": _base64,
}
