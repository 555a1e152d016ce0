"""Reads the fields of one mapping with their types; what is wrong goes into a report and reading goes on."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from penstock.contracts.duration import (
    DURATION_EXPECTED,
    SIZE_EXPECTED,
    format_duration,
    parse_duration,
    parse_size,
)
from penstock.contracts.names import did_you_mean, is_name
from penstock.contracts.workflow import Json
from penstock.definition.document import Key, Path
from penstock.definition.report import Report, described

E = TypeVar("E", bound=StrEnum)

INSTANT = timedelta(milliseconds=1)  # the shortest time that something may take
NAME_EXPECTED = "a name: a lower-case letter, then at most 62 letters, digits and hyphens"


class Fields:
    """One mapping of a document. Each reader gives its default where the field is absent or wrong."""

    def __init__(self, value: dict[str, Json], path: Path, report: Report) -> None:
        self.value = value
        self.path = path
        self.report = report

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def at(self, key: str) -> Path:
        return (*self.path, key)

    def only(self, keys: tuple[str, ...]) -> None:
        """Refuse every key that is not among `keys`."""
        for key in self.value:
            if key not in keys:
                hint = self.report.hint(key, keys) or f"; expected one of {', '.join(keys)}"
                self.report.error(self.at(key), f"unknown key '{key[:60]}'{hint}")

    def require(self, key: str, expected: str) -> bool:
        """Whether `key` is there; if not, its absence is a problem of the mapping."""
        if key not in self.value:
            self.report.error(self.path, f"'{key}' is missing: expected {expected}")
            return False
        return True

    def wrong(self, key: str, expected: str, value: Json) -> None:
        self.wrong_at(self.at(key), expected, value)

    def wrong_at(self, path: Path, expected: str, value: Json) -> None:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        hint = "; put it in quotes" if expected == "text" and is_number else ""
        self.report.error(path, f"expected {expected}, got {described(value)}{hint}")

    def text(self, key: str, default: str = "") -> str:
        value = self.value.get(key, default)
        if isinstance(value, str):
            return value
        self.wrong(key, "text", value)
        return default

    def optional_text(self, key: str) -> str | None:
        """The text, or None if there is none or if it is no text, which is told here."""
        text = self.text(key)
        return text if isinstance(self.value.get(key), str) else None

    def boolean(self, key: str, default: bool) -> bool:
        value = self.value.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, "true or false", value)
        return default

    def name(self, key: str, default: str = "") -> str:
        value = self.value.get(key, default)
        if key not in self.value or (isinstance(value, str) and is_name(value)):
            return str(value)
        self.wrong(key, NAME_EXPECTED, value)
        return default

    def choice(self, key: str, choices: type[E], default: E) -> E:
        """One of an enumeration's values."""
        value = self.value.get(key, default)
        options = [str(option) for option in choices]
        if isinstance(value, str) and value in options:
            return choices(value)
        hint = did_you_mean(value, options) if isinstance(value, str) else ""
        self.report.error(self.at(key), f"expected one of {', '.join(options)}; got {described(value)}{hint}")
        return default

    def duration(self, key: str, default: timedelta, *, least: timedelta, most: timedelta) -> timedelta:
        if key not in self.value:
            return default
        value = self.value[key]
        duration = parse_duration(value) if isinstance(value, str) else None
        if duration is None:
            self.wrong(key, DURATION_EXPECTED, value)
            return default
        if least <= duration <= most:
            return duration
        between = f"a duration from {format_duration(least)} to {format_duration(most)}"
        self.wrong(key, between, value)
        return default

    def size(self, key: str, default: int, *, least: int, most: int) -> int:
        """A size in bytes."""
        if key not in self.value:
            return default
        value = self.value[key]
        size = parse_size(value) if isinstance(value, str) else None
        if size is None:
            self.wrong(key, SIZE_EXPECTED, value)
        elif least <= size <= most:
            return size
        else:
            self.wrong(key, f"a size from {least} to {most} bytes", value)
        return default

    def integer(self, key: str, default: int, *, least: int, most: int) -> int:
        value = self.value.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.wrong(key, f"a whole number from {least} to {most}", value)
        return default

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        value = self.value.get(key, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most:
            return float(value)
        self.wrong(key, f"a number from {least:g} to {most:g}", value)
        return default

    def texts(self, key: str, expected: str) -> Iterator[tuple[Path, str]]:
        """Each text of a list with its path; `expected` names the list in messages."""
        value = self.value.get(key, [])
        if not isinstance(value, list):
            self.wrong(key, expected, value)
            return
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield (*self.path, key, index), item
            else:
                self.wrong_at((*self.path, key, index), "text", item)

    def mapping(self, key: Key, value: Json, expected: str) -> "Fields | None":
        """The fields of the mapping `value` at `key`, or None (and a problem) if it is none."""
        if isinstance(value, dict):
            return Fields(value, (*self.path, key), self.report)
        self.wrong_at((*self.path, key), expected, value)
        return None
