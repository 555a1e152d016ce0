"""Which JSON each kind of value becomes, beyond the plain ones; the table is in penstock.agents.serialise.

Types of libraries are known by what they offer, not by name, so that none is imported here.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from penstock.agents.serialise import (
    _LEAVES,
    SHOWN_TYPES,
    Above,
    NotSerialisable,
    _array,
    _object,
    _plain,
    _shown,
)
from penstock.agents.text import bytes_text, duration_text, moment_text

ITEMS_MAX = 1_000_000  # of a generator, which may have no end; an output holds far fewer

_TEXTS: dict[tuple[str, str], Callable[[Any], str]] = {
    ("datetime", "datetime"): moment_text,
    ("datetime", "time"): moment_text,
    ("datetime", "date"): moment_text,
    ("datetime", "timedelta"): duration_text,
    ("uuid", "UUID"): str,
    ("decimal", "Decimal"): str,
    ("builtins", "bytes"): bytes_text,
    ("builtins", "bytearray"): bytes_text,
    ("builtins", "memoryview"): bytes_text,
}


def converted(value: Any, path: str, above: Above) -> object:
    """The plain JSON of a value that is no plain JSON itself."""
    if hasattr(type(value), "__members__"):  # an Enum, also one that is a str or int
        return _plain(value.value, path, above)
    for kind in type(value).__mro__[:-1]:
        write = _TEXTS.get((kind.__module__, kind.__name__))
        if write is not None:
            return write(value)
        if kind in _LEAVES:  # a subclass of str, int or float
            return _LEAVES[kind](value, path)
    if hasattr(value, "__fspath__"):
        return _plain(_decoded(value.__fspath__()), path, above)
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return _model(value, path, above)
    fields = _fields(value)
    if fields is not None:
        return _object(fields.items(), path, above)
    if isinstance(value, (set, frozenset)):
        return _sorted(value, path, above)
    if isinstance(value, type):
        raise _refused(value, path)
    return _by_offer(value, path, above)


def _decoded(path: "str | bytes") -> str:
    import os

    return os.fsdecode(path)


def _model(value: Any, path: str, above: Above) -> object:
    """A pydantic model by these rules; a field of a type that only pydantic knows (a URL), by pydantic's."""
    try:
        return _plain(value.model_dump(by_alias=True), path, above)
    except NotSerialisable:
        dumped = value.model_dump(by_alias=True, mode="json")
    except ValueError as error:  # pydantic's word for a cycle
        raise NotSerialisable(path, str(error)) from error
    return _plain(dumped, path, above)


def _fields(value: Any) -> "Mapping[object, object] | None":
    """The fields of a record, by the name that JSON has for them; None when it is no record."""
    kind = type(value)
    if hasattr(kind, "__struct_fields__"):
        names = zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True)
        return {shown: getattr(value, name) for shown, name in names}
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__ if hasattr(value, name)}
    if isinstance(value, Mapping):
        return value
    row = getattr(value, "_mapping", None)  # SQLAlchemy's Row
    if isinstance(row, Mapping):
        return row
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    return None


def _sorted(value: "set[Any] | frozenset[Any]", path: str, above: Above) -> list[object]:
    """In an order that does not depend on hashes, which differ from process to process."""
    try:
        return _array(sorted(value), path, above) if _compare(value) else _by_text(value, path, above)
    except TypeError:
        return _by_text(value, path, above)


def _compare(value: "set[Any] | frozenset[Any]") -> bool:
    """Whether `<` orders them all: between sets it means "subset", and NaN is below and above nothing."""
    return not any(isinstance(each, (set, frozenset, tuple)) or each != each for each in value)


def _by_text(value: "set[Any] | frozenset[Any]", path: str, above: Above) -> list[object]:
    return sorted(_array(value, path, above), key=lambda each: json.dumps(each, sort_keys=True))


def _by_offer(value: Any, path: str, above: Above) -> object:
    """By what the value can do: numpy's and pandas' values, query results, generators."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return _called(value.item, value, path, above)
    if hasattr(value, "tolist"):
        return _called(value.tolist, value, path, above)
    if isinstance(value, Iterable):
        return _array(_bounded(value, path), path, above)
    raise _refused(value, path)


def _bounded(items: Iterable[object], path: str) -> Iterable[object]:
    for count, each in enumerate(items):
        if count >= ITEMS_MAX:
            raise NotSerialisable(path, f"gives more than {ITEMS_MAX:,} items")
        yield each


def _called(give: Any, value: object, path: str, above: Above) -> object:
    given = give()
    if type(given) is type(value):  # a scalar that gives itself would go round for ever
        raise _refused(value, path)
    return _plain(given, path, above)


def _refused(value: object, path: str) -> NotSerialisable:
    kind = type(value)
    return NotSerialisable(
        path, f"{_shown(value)} is a {kind.__module__}.{kind.__qualname__}, not {SHOWN_TYPES}"
    )
