"""Durations and sizes as authors write them: `500ms`, `1h30m`, `512MiB`. Units are never left out."""

import re
from datetime import timedelta

from penstock.contracts.limits import GIB, KIB, MIB

DURATION_EXPECTED = "a duration like 500ms, 90s, 5m, 2h, 1d or 1h30m"
SIZE_EXPECTED = "a size like 64KiB, 512MiB or 1GiB"

DURATION_PATTERN = r"([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,12}ms)?"
SIZE_PATTERN = r"([0-9]{1,9})(KiB|MiB|GiB|B)"

_PARTS = re.compile(
    r"(?:(?P<days>[0-9]{1,9})d)?(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?"
    r"(?:(?P<seconds>[0-9]{1,9})s)?(?:(?P<milliseconds>[0-9]{1,12})ms)?"
)
_SIZE = re.compile(SIZE_PATTERN)
_SIZE_UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}


def parse_duration(text: str) -> timedelta | None:
    """The duration that `text` says, larger units first, or None if it is none."""
    match = _PARTS.fullmatch(text)
    if match is None or not text:
        return None
    try:
        return timedelta(**{unit: int(count) for unit, count in match.groupdict().items() if count})
    except OverflowError:
        return None


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads as `duration`."""
    left = duration // timedelta(milliseconds=1)
    parts: list[str] = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int | None:
    """The bytes that `text` says, or None if it is no size."""
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _SIZE_UNITS[match[2]] if match else None
