"""What a type annotation means for JSON: its schema, and a reader that reports every field that does not fit.

Knows the types that need no library. Everything else (pydantic models, msgspec Structs, `Annotated`
constraints, recursive types) is handed to the library that knows it, in penstock.agents.models, and only
then imported: an agent of plain types starts 60 ms sooner, which each attempt with `reuse: never` pays.
"""

from collections.abc import Callable

Problems = list[tuple[str, str]]
Read = Callable[[object, str, Problems], object]
"""Gives the value that a JSON value means; what is wrong is added to the problems, with its path."""

SAFE_DEPTH_MAX = 64  # nested types; deeper ones are recursive

_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


class TooDeep(Exception):
    """A type that contains itself: pydantic knows how to read it."""


class Shape:
    """A type as JSON. `defs` are the schema's `$defs`, to be hoisted to the document's top."""

    __slots__ = ("defs", "read", "schema")

    def __init__(
        self, schema: dict[str, object], read: Read, defs: "dict[str, object] | None" = None
    ) -> None:
        self.schema = schema
        self.read = read
        self.defs = defs or {}


def shape_of(annotation: object) -> Shape:
    """The shape of `annotation`; raises TypeError, which says why, for a type that has no JSON form."""
    try:
        return _shape(annotation, 0)
    except TooDeep:
        return _library_shape(annotation)


def found(value: object) -> str:
    """What a JSON value is, for "expected X, found Y"."""
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        return _NAMES[type(value)]
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def refuse(problems: Problems, path: str, message: str) -> object:
    """Note a problem; gives None, to stand for the value that could not be read."""
    problems.append((path, message))
    return None


def wrong(problems: Problems, path: str, expected: str, value: object) -> object:
    return refuse(problems, path, f"expected {expected}, found {found(value)}")


def _shape(annotation: object, depth: int) -> Shape:
    if depth > SAFE_DEPTH_MAX:
        raise TooDeep
    simple = _SIMPLE.get(annotation) if isinstance(annotation, type) else None
    if simple is not None:
        return simple
    if annotation is None or annotation is type(None):
        return _NOTHING
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        return _class_shape(annotation, depth)
    origin = getattr(annotation, "__origin__", None)
    if origin is None and type(annotation).__name__ == "UnionType":
        return _union(annotation.__args__, depth)  # type: ignore[attr-defined]
    if origin is None:
        return _special(annotation)
    from penstock.agents.containers import generic_shape

    return generic_shape(annotation, origin, lambda inner: _shape(inner, depth + 1))


def _union(members: "tuple[object, ...]", depth: int) -> Shape:
    from penstock.agents.containers import union_shape

    return union_shape(members, lambda inner: _shape(inner, depth + 1))


def _special(annotation: object) -> Shape:
    if getattr(annotation, "__module__", "") == "typing" and str(annotation) == "typing.Any":
        return _ANYTHING
    return _library_shape(annotation)


def _library_shape(annotation: object) -> Shape:
    from penstock.agents.models import library_shape

    return library_shape(annotation)


def _class_shape(kind: type, depth: int) -> Shape:
    if kind.__name__ == "Any" and kind.__module__ == "typing":  # Any is a class since Python 3.11
        return _ANYTHING
    from penstock.agents.containers import record_shape

    def inner(annotation: object) -> Shape:
        return _shape(annotation, depth + 1)

    return record_shape(kind, inner) or _text_shape(kind) or _library_shape(kind)


def _text_shape(kind: type) -> "Shape | None":
    from penstock.agents.text import TEXT_FORMS

    form = TEXT_FORMS.get((kind.__module__, kind.__name__))
    if form is None:
        return None
    convert = form.reader(kind)

    def read(value: object, path: str, problems: Problems) -> object:
        if isinstance(value, form.json_types) and not isinstance(value, bool):
            try:
                return convert(value)  # type: ignore[arg-type]
            except (ValueError, ArithmeticError):
                pass
        return wrong(problems, path, form.expected, value)

    return Shape(dict(form.schema), read)


def _read_text(value: object, path: str, problems: Problems) -> object:
    return value if isinstance(value, str) else wrong(problems, path, "text", value)


def _read_flag(value: object, path: str, problems: Problems) -> object:
    return value if isinstance(value, bool) else wrong(problems, path, "true or false", value)


def _read_whole(value: object, path: str, problems: Problems) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)  # JSON Schema counts 3.0 as an integer
    return wrong(problems, path, "a whole number", value)


def _read_number(value: object, path: str, problems: Problems) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return wrong(problems, path, "a number", value)


def _read_object(value: object, path: str, problems: Problems) -> object:
    return value if isinstance(value, dict) else wrong(problems, path, "an object", value)


def _read_list(value: object, path: str, problems: Problems) -> object:
    return value if isinstance(value, list) else wrong(problems, path, "a list", value)


def _read_distinct(kind: type) -> Read:
    def read(value: object, path: str, problems: Problems) -> object:
        if not isinstance(value, list):
            return wrong(problems, path, "a list", value)
        try:
            return kind(value)
        except TypeError:
            return refuse(problems, path, "expected a list of values that a set can hold")

    return read


def _read_tuple(value: object, path: str, problems: Problems) -> object:
    return tuple(value) if isinstance(value, list) else wrong(problems, path, "a list", value)


def _read_null(value: object, path: str, problems: Problems) -> object:
    return None if value is None else wrong(problems, path, "null", value)


def _read_anything(value: object, path: str, problems: Problems) -> object:
    return value


_ANYTHING = Shape({}, _read_anything)
_NOTHING = Shape({"type": "null"}, _read_null)
_SIMPLE = {
    str: Shape({"type": "string"}, _read_text),
    bool: Shape({"type": "boolean"}, _read_flag),
    int: Shape({"type": "integer"}, _read_whole),
    float: Shape({"type": "number"}, _read_number),
    dict: Shape({"type": "object"}, _read_object),
    list: Shape({"type": "array"}, _read_list),
    tuple: Shape({"type": "array"}, _read_tuple),
    set: Shape({"type": "array", "uniqueItems": True}, _read_distinct(set)),
    frozenset: Shape({"type": "array", "uniqueItems": True}, _read_distinct(frozenset)),
    object: _ANYTHING,
}
