"""Values that JSON holds as text: how each is written and read back. Moments, durations, bytes and such.

A moment with a zone is written with its offset (UTC as `Z`); one without a zone is written without, since
guessing would be wrong on half of the machines. A duration is ISO 8601 (`P1DT2H0.5S`); bytes are base64.
Each entry is found by the type's module and name, so that nothing is imported for it.
"""

import re
from collections.abc import Callable

_DURATION = re.compile(
    r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,9}))?S)?)?", re.ASCII
)
_SECONDS = (7 * 86_400, 86_400, 3_600, 60, 1)


def duration_text(value: "object") -> str:
    """A timedelta as ISO 8601, exact to the microsecond."""
    total = value // _microsecond()  # type: ignore[operator]
    sign, total = ("-", -total) if total < 0 else ("", total)
    days, rest = divmod(total, 86_400_000_000)
    hours, rest = divmod(rest, 3_600_000_000)
    minutes, micros = divmod(rest, 60_000_000)
    seconds = f"{micros // 1_000_000}.{micros % 1_000_000:06d}".rstrip("0").rstrip(".")
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    clock += f"{seconds}S" if micros else ""
    if not days and not clock:
        return "PT0S"
    return f"{sign}P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"


def duration_of(text: "str | int | float") -> object:
    """The timedelta that ISO 8601 text, or a number of seconds, means."""
    from datetime import timedelta

    if isinstance(text, (int, float)):
        return timedelta(seconds=text)
    match = _DURATION.fullmatch(text)
    if match is None or text[-1] in "PT":
        raise ValueError("expected an ISO 8601 duration such as PT1H30M")
    whole = sum(int(group or 0) * unit for group, unit in zip(match.groups()[1:6], _SECONDS, strict=True))
    micros = int((match[7] or "0")[:6].ljust(6, "0"))
    value = timedelta(seconds=whole, microseconds=micros)
    return -value if match[1] == "-" else value


def moment_text(value: "object") -> str:
    """A datetime or time as RFC 3339; UTC is written as Z."""
    text: str = value.isoformat()  # type: ignore[attr-defined]
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def bytes_text(value: "bytes | bytearray | memoryview") -> str:
    from binascii import b2a_base64

    return b2a_base64(value, newline=False).decode("ascii")


def bytes_of(text: str) -> bytes:
    from binascii import a2b_base64

    return a2b_base64(text, strict_mode=True)


def _microsecond() -> object:
    from datetime import timedelta

    return timedelta(microseconds=1)


def _from_iso(kind: type) -> Callable[[str], object]:
    return kind.fromisoformat  # type: ignore[attr-defined, no-any-return]


def _of_moment(kind: type) -> Callable[[str], object]:
    def read(text: str) -> object:
        if len(text) <= len("2026-01-01"):
            raise ValueError("a date without a time")  # fromisoformat would take midnight for granted
        return kind.fromisoformat(text)  # type: ignore[attr-defined]

    return read


def _same(kind: type) -> Callable[[str], object]:
    return kind


class TextForm:
    """How values of one type look: the JSON Schema, what to call it in an error, and how to read one."""

    __slots__ = ("expected", "json_types", "reader", "schema")

    def __init__(
        self,
        schema: "dict[str, object]",
        expected: str,
        reader: "Callable[[type], Callable[[str], object]]",
        json_types: "tuple[type, ...]" = (str,),
    ) -> None:
        self.schema = schema
        self.expected = expected
        self.reader = reader
        self.json_types = json_types


def _string(expected: str, reader: "Callable[[type], Callable[[str], object]]", **schema: str) -> TextForm:
    return TextForm({"type": "string", **schema}, expected, reader)


_PATH = _string("a path", _same)
TEXT_FORMS: "dict[tuple[str, str], TextForm]" = {
    ("datetime", "datetime"): _string(
        "a date and time such as 2026-01-31T12:00:00Z", _of_moment, format="date-time"
    ),
    ("datetime", "date"): _string("a date such as 2026-01-31", _from_iso, format="date"),
    ("datetime", "time"): _string("a time of day such as 12:00:00", _from_iso, format="time"),
    ("datetime", "timedelta"): TextForm(
        {"anyOf": [{"type": "string", "format": "duration"}, {"type": "number"}]},
        "an ISO 8601 duration such as PT1H30M, or a number of seconds",
        lambda _: duration_of,
        (str, int, float),
    ),
    ("uuid", "UUID"): _string("a UUID", _same, format="uuid"),
    ("decimal", "Decimal"): TextForm(
        {"anyOf": [{"type": "string"}, {"type": "number"}]},
        "a decimal number, best as text",
        lambda kind: lambda text: kind(str(text)),
        (str, int, float),
    ),
    ("builtins", "bytes"): _string("bytes as base64", lambda _: bytes_of, contentEncoding="base64"),
    **{("pathlib", name): _PATH for name in ("Path", "PosixPath", "PurePath", "PurePosixPath")},
}
