"""A parsed text with the line of every key and item, so that each problem can say where it is."""

from typing import TypeAlias

from penstock.contracts.errors import InvalidInput, LimitExceeded, Problem
from penstock.contracts.limits import DEFINITION_BYTES_MAX, DEFINITION_DEPTH_MAX
from penstock.contracts.workflow import Json

Key: TypeAlias = str | int
Path: TypeAlias = tuple[Key, ...]
Lines: TypeAlias = dict[Path, int]
"""The 1-based line of each key and item, by its path."""


def dotted(path: Path) -> str:
    """`nodes.scan.needs[0]`, as problems name their place."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def nearest_line(lines: Lines, path: Path) -> int | None:
    """The line of `path`, or of the nearest thing around it that has one (a missing key has none)."""
    for length in range(len(path), -1, -1):
        line = lines.get(path[:length])
        if line is not None:
            return line
    return None


def decode_text(text: str | bytes) -> str:
    """The text of a definition within its limit; raises InvalidInput if it is no UTF-8."""
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    if len(data) > DEFINITION_BYTES_MAX:
        message = f"{len(data)} bytes; at most {DEFINITION_BYTES_MAX} are allowed"
        raise LimitExceeded(message, (Problem(path="", message=message),))
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise malformed("the text is not UTF-8", data.count(b"\n", 0, error.start) + 1) from error


def malformed(message: str, line: int | None, path: Path = ()) -> InvalidInput:
    """The error for a text that cannot be read to its end."""
    place = f"line {line}: " if line else ""
    return InvalidInput(f"{place}{message}", (Problem(path=dotted(path), message=message, line=line),))


def too_deep(line: int | None) -> InvalidInput:
    message = f"nested deeper than {DEFINITION_DEPTH_MAX} levels"
    return LimitExceeded(message, (Problem(path="", message=message, line=line),))


def is_deeper(value: Json, levels: int) -> bool:
    """Whether containers are nested more than `levels` deep."""
    if not isinstance(value, (dict, list)):
        return False
    if levels == 0:
        return True
    items = value.values() if isinstance(value, dict) else value
    return any(is_deeper(item, levels - 1) for item in items if isinstance(item, (dict, list)))
