"""Shapes of types that are made of others: lists, mappings, unions, literals, enums, dataclasses and such."""

import collections.abc
import typing
from collections.abc import Callable, Mapping

from penstock.agents.shapes import Problems, Read, Shape, refuse, wrong

Inner = Callable[[object], Shape]

_LISTS = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Iterator: list,
    collections.abc.Generator: list,
    collections.abc.AsyncIterable: list,
    collections.abc.AsyncIterator: list,
    collections.abc.AsyncGenerator: list,
    collections.abc.Collection: list,
    collections.abc.Set: frozenset,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def generic_shape(annotation: object, origin: object, inner: Inner) -> Shape:
    """The shape of `list[int]`, `dict[str, float]`, `Literal["a"]`, `Annotated[…]` and such."""
    arguments: tuple[object, ...] = getattr(annotation, "__args__", ())
    if origin in _MAPPINGS:
        return _mapping(arguments, inner)
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        return _fixed_tuple(arguments, inner)
    if origin in _LISTS:
        return _many(_LISTS[origin], inner(arguments[0]))
    return _typing_shape(annotation, origin, arguments, inner)


def _typing_shape(annotation: object, origin: object, arguments: "tuple[object, ...]", inner: Inner) -> Shape:
    if origin is typing.Union:
        return union_shape(arguments, inner)
    if origin is typing.Literal:
        return _choice(arguments, arguments)
    extra = getattr(annotation, "__metadata__", ())
    if extra and all(isinstance(note, str) for note in extra):  # Annotated[int, "how many"]
        shape = inner(origin)
        return Shape({**shape.schema, "description": " ".join(extra)}, shape.read, shape.defs)
    from penstock.agents.models import library_shape

    return library_shape(annotation)


def union_shape(members: "tuple[object, ...]", inner: Inner) -> Shape:
    """The first member that fits, in the author's order: `date | str` reads a date where it can."""
    shapes = [inner(member) for member in members]
    real = [shape for shape in shapes if shape.schema != {"type": "null"}]

    def read(value: object, path: str, problems: Problems) -> object:
        for shape in shapes:
            mine: Problems = []
            result = shape.read(value, path, mine)
            if not mine:
                return result
        if len(real) == 1:
            return real[0].read(value, path, problems)  # its own problems say more than "X or null"
        return wrong(problems, path, " or ".join(_words(shape.schema) for shape in shapes), value)

    return Shape({"anyOf": [shape.schema for shape in shapes]}, read, _defs(dict(enumerate(shapes))))


def _words(schema: "dict[str, object]") -> str:
    words = {
        "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
        "null": "null", "array": "a list", "object": "an object",
    }  # fmt: skip
    if "enum" in schema:
        return "one of " + ", ".join(map(repr, schema["enum"]))  # type: ignore[call-overload]
    return str(schema.get("format") or words.get(str(schema.get("type")), "another type"))


def _choice(shown: "tuple[object, ...]", values: "tuple[object, ...]") -> Shape:
    """One of a few JSON values, each standing for the value at its place in `values`."""

    def read(value: object, path: str, problems: Problems) -> object:
        for candidate, meant in zip(shown, values, strict=True):
            if candidate == value and isinstance(candidate, bool) == isinstance(value, bool):
                return meant
        expected = "one of " + ", ".join(map(repr, shown))
        return wrong(problems, path, expected + _nearest(value, shown), value)

    return Shape({"enum": list(shown)}, read)


def _nearest(value: object, shown: "tuple[object, ...]") -> str:
    from difflib import get_close_matches

    close = get_close_matches(str(value), [choice for choice in shown if isinstance(choice, str)], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _many(kind: Callable[[list[object]], object], item: Shape) -> Shape:
    distinct = kind in (set, frozenset)

    def read(value: object, path: str, problems: Problems) -> object:
        if not isinstance(value, list):
            return wrong(problems, path, "a list", value)
        items = [item.read(each, f"{path}[{index}]", problems) for index, each in enumerate(value)]
        try:
            return kind(items)
        except TypeError:
            return refuse(problems, path, "expected a list of values that a set can hold")

    schema: dict[str, object] = {"type": "array", "items": item.schema}
    return Shape({**schema, "uniqueItems": True} if distinct else schema, read, item.defs)


def _fixed_tuple(arguments: "tuple[object, ...]", inner: Inner) -> Shape:
    items = [inner(argument) for argument in arguments]

    def read(value: object, path: str, problems: Problems) -> object:
        if not isinstance(value, list) or len(value) != len(items):
            return wrong(problems, path, f"a list of {len(items)}", value)
        pairs = enumerate(zip(items, value, strict=True))
        return tuple(item.read(each, f"{path}[{index}]", problems) for index, (item, each) in pairs)

    schema = {"type": "array", "prefixItems": [item.schema for item in items], "items": False,
              "minItems": len(items)}  # fmt: skip
    return Shape(schema, read, _defs(dict(enumerate(items))))


def _mapping(arguments: "tuple[object, ...]", inner: Inner) -> Shape:
    key, item = (inner(argument) for argument in arguments)
    key_type = key.schema.get("type")

    def read(value: object, path: str, problems: Problems) -> object:
        if not isinstance(value, dict):
            return wrong(problems, path, "an object", value)
        return {
            key.read(_key(name, key_type), f"{path}.{name}", problems): item.read(
                each, f"{path}.{name}", problems
            )
            for name, each in value.items()
        }

    return Shape({"type": "object", "additionalProperties": item.schema}, read, {**key.defs, **item.defs})


def _key(name: str, key_type: object) -> object:
    """JSON's keys are text; a mapping from numbers reads them back."""
    try:
        return int(name) if key_type == "integer" else float(name) if key_type == "number" else name
    except ValueError:
        return name


def record_shape(kind: type, inner: Inner) -> "Shape | None":
    """The shape of an enum, dataclass, NamedTuple or TypedDict; None when it is none of them."""
    if hasattr(kind, "__members__"):
        members = tuple(kind)  # type: ignore[var-annotated, arg-type]
        return _choice(tuple(member.value for member in members), members)
    if hasattr(kind, "__pydantic_validator__") or hasattr(kind, "__struct_fields__"):
        return None  # a pydantic model or dataclass, a msgspec Struct: their library reads it
    if hasattr(kind, "__dataclass_fields__"):
        return _record(kind, _dataclass_needs(kind), inner)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        needed = {name: name not in kind._field_defaults for name in kind._fields}  # type: ignore[attr-defined]
        return _record(kind, needed, inner)
    if hasattr(kind, "__required_keys__"):
        return _record(kind, {name: name in kind.__required_keys__ for name in kind.__annotations__}, inner)
    return None


def _dataclass_needs(kind: type) -> dict[str, bool]:
    import dataclasses

    def needed(field: "dataclasses.Field[object]") -> bool:
        return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING

    return {field.name: needed(field) for field in dataclasses.fields(kind) if field.init}


def _record(kind: type, needed: dict[str, bool], inner: Inner) -> Shape:
    hints = typing.get_type_hints(kind, include_extras=True)
    shapes = {name: inner(_without_marks(hints.get(name, object))) for name in needed}
    fields = read_fields(shapes, needed)

    def read(value: object, path: str, problems: Problems) -> object:
        before = len(problems)
        arguments = fields(value, path, problems)
        if len(problems) > before:
            return None
        try:
            return kind(**arguments)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:  # what the author's __post_init__ refuses
            return refuse(problems, path, str(error))

    return Shape(object_schema(shapes, needed), read, _defs(shapes))


def _without_marks(annotation: object) -> object:
    """`Required[int]` and `NotRequired[int]` are about the key, not the value."""
    if str(getattr(annotation, "__origin__", "")) in ("typing.Required", "typing.NotRequired"):
        return annotation.__args__[0]  # type: ignore[attr-defined]
    return annotation


def _defs(shapes: Mapping[typing.Any, Shape]) -> dict[str, object]:
    return {name: schema for shape in shapes.values() for name, schema in shape.defs.items()}


def object_schema(shapes: dict[str, Shape], needed: dict[str, bool]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {name: shape.schema for name, shape in shapes.items()},
        "required": [name for name, is_needed in needed.items() if is_needed],
        "additionalProperties": False,
    }


def read_fields(shapes: dict[str, Shape], needed: dict[str, bool], rest: "Shape | None" = None) -> Read:
    """Reads an object's fields into a dict: each missing, unknown and wrong one is a problem of its own."""

    def read(value: object, path: str, problems: Problems) -> object:
        if not isinstance(value, dict):
            wrong(problems, path, "an object", value)
            return {}
        prefix = f"{path}." if path else ""
        result = {}
        for name, given in value.items():
            shape = shapes.get(name, rest)
            if shape is None:
                problems.append((f"{prefix}{name}", _unknown(name, shapes)))
            else:
                result[name] = shape.read(given, f"{prefix}{name}", problems)
        for name, is_needed in needed.items():
            if is_needed and name not in value:
                problems.append((f"{prefix}{name}", f"missing; expected {_words(shapes[name].schema)}"))
        return result

    return read


def _unknown(name: str, shapes: dict[str, Shape]) -> str:
    if not shapes:
        return "unknown field; there are none"
    hint = _nearest(name, tuple(shapes))
    return f"unknown field{hint or '; there are ' + ', '.join(sorted(shapes))}"
