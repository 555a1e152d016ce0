"""What an agent returns, as plain JSON: predictable for every kind of value, never a crash without a path.

| value | JSON |
|---|---|
| None, bool, int (64 bit), str | as they are; a lone surrogate (an undecodable file name) becomes U+FFFD |
| float | a number; NaN and the infinities, which JSON does not have, become null |
| datetime, time | RFC 3339; UTC as `Z`, another zone as its offset, a naive one without: no guess |
| date, timedelta | `2026-01-31`, ISO 8601 duration (`PT1H30M`) |
| UUID, Decimal, path | their text |
| bytes | base64 |
| Enum | its value |
| list, tuple, deque, range | a list |
| set, frozenset | a list in a fixed order: sorted, or by JSON text where the elements do not compare |
| dict and other mappings | an object; keys such as int, bool, None, date, UUID, Enum become their text |
| dataclass, NamedTuple, pydantic model, msgspec Struct | an object of its fields, by their JSON names |
| numpy-like scalar or array (`.item()`, `.tolist()`) | the number, the list |
| row of a query (`._mapping` or `._asdict()`) | an object |
| generator, iterator, query result | the list of what it gives |
| anything else, a cycle, over 100 levels, int over 64 bit, two keys alike | NotSerialisable with its path |
"""

from collections.abc import Callable, Iterable

from penstock.agents.errors import Invalid

DEPTH_MAX = 100  # a deeper value is a mistake, and every JSON parser has its own idea of too deep
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1  # what the readers of JSON in this system can hold
SHOWN_TYPES = "a str, number, list, dict, dataclass, model, date, path or bytes"


class NotSerialisable(Invalid):
    """A value that JSON cannot hold; the message names where it stands in the result."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or 'the result'}: {reason}")
        self.path = path


def plain(value: object) -> object:
    """`value` of only dict, list, str, int, float, bool and None. Raises NotSerialisable."""
    return _plain(value, "", ())


Above = tuple[int, ...]
"""The ids of the containers around a value: finding one again is a cycle."""


def _plain(value: object, path: str, above: Above) -> object:
    kind = type(value)
    if value is None or kind is bool:
        return value
    leaf = _LEAVES.get(kind)
    if leaf is not None:
        return leaf(value, path)
    if id(value) in above:
        raise NotSerialisable(path, "refers back to a value that contains it")
    if len(above) >= DEPTH_MAX:
        raise NotSerialisable(path, f"nested deeper than {DEPTH_MAX} levels")
    above = (*above, id(value))
    if kind is dict:
        return _object(value.items(), path, above)  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        return _array(value, path, above)  # type: ignore[arg-type]
    from penstock.agents.conversions import converted

    return converted(value, path, above)


def _text(value: object, path: str) -> object:
    assert isinstance(value, str)
    if value.isascii():
        return str(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(value)


def _whole(value: object, path: str) -> object:
    assert isinstance(value, int)
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise NotSerialisable(path, "an integer of more than 64 bits; return it as text")
    return int(value)


def _number(value: object, path: str) -> object:
    assert isinstance(value, float)
    return float(value) if value - value == 0 else None  # NaN and the infinities have no difference of 0


def _object(items: "Iterable[tuple[object, object]]", path: str, above: Above) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, each in items:
        name = key if type(key) is str and key.isascii() else _key(key, path)
        if name in result:
            raise NotSerialisable(path, f"two keys are both written as {name!r}")
        result[name] = _plain(each, f"{path}.{name}" if path else name, above)
    return result


def _key(key: object, path: str) -> str:
    """A key as JSON's text: what the value itself would be, None and booleans as `null`, `true`, `false`."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    try:
        written = _plain(key, path, ())
    except NotSerialisable:
        written = None
    if isinstance(written, (str, int, float)):
        return str(written)
    raise NotSerialisable(path, f"the key {_shown(key)} has no text; use a str")


def _array(items: "Iterable[object]", path: str, above: Above) -> list[object]:
    return [_plain(each, f"{path}[{index}]", above) for index, each in enumerate(items)]


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # a __repr__ that fails must not hide which value it was
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


_LEAVES: "dict[type, Callable[[object, str], object]]" = {str: _text, int: _whole, float: _number}
