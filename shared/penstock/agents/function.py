"""An agent made of a function: its input is an object of the function's arguments, its output the result."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from penstock.agents.shapes import Read, Shape

P = ParamSpec("P")
R = TypeVar("R")

_VAR_POSITIONAL, _VAR_KEYWORD, _COROUTINE, _ASYNC_GENERATOR = (
    0x04,
    0x08,
    0x80,
    0x200,
)  # flags of a code object


class Agent(Generic[P, R]):
    """A function with the schemas of its types. Calling it calls the function, so that it can be tested."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__wrapped__ = function
        flags = function.__code__.co_flags
        self.is_async = bool(flags & (_COROUTINE | _ASYNC_GENERATOR))
        self._arguments: Arguments | None = None
        _refuse_positional(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def arguments(self) -> "Arguments":
        """Read from the types when first asked for: a type error names the argument."""
        if self._arguments is None:
            self._arguments = Arguments(self.function)
        return self._arguments

    def main(self) -> None:
        """Be the program: stdin to stdout once, or frame after frame when the runner asks for it."""
        from penstock.agents.program import run

        run(self)

    run = main  # both names are in use by authors


def agent(function: Callable[P, R]) -> Agent[P, R]:
    """Make an agent of a function. Its arguments become the input's fields, its result the output."""
    return Agent(function)


class Arguments:
    """The parameters of a function as the fields of a JSON object."""

    def __init__(self, function: Callable[..., object]) -> None:
        from penstock.agents.containers import object_schema, read_fields
        from penstock.agents.shapes import shape_of

        hints = _hints(function)
        names, rest = _parameters(function)
        self.needed = {name: name not in _defaults(function) for name in names}
        self.shapes = {name: _named(name, hints.get(name, object), shape_of) for name in names}
        self.rest = _named(rest, hints.get(rest, object), shape_of) if rest else None
        self.result = _named("result", hints["return"], shape_of) if "return" in hints else None
        self._read: Read = read_fields(self.shapes, self.needed, self.rest)
        self._schema = object_schema(self.shapes, self.needed)
        self._defaults = _defaults(function)

    def read(self, value: object) -> dict[str, object]:
        """The arguments that the input `value` gives; raises InvalidInput with every field that is wrong."""
        from penstock.agents.errors import InvalidInput

        problems: list[tuple[str, str]] = []
        arguments = self._read({} if value is None else value, "", problems)
        if problems:
            raise InvalidInput(problems)
        return arguments  # type: ignore[return-value]

    def input_schema(self) -> dict[str, object]:
        schema = dict(self._schema)
        schema["properties"] = {name: self._property(name) for name in self.shapes}
        schema["additionalProperties"] = self.rest.schema if self.rest else False
        defs = {name: each for shape in self.shapes.values() for name, each in shape.defs.items()}
        return {**schema, "$defs": defs} if defs else schema

    def output_schema(self) -> dict[str, object]:
        if self.result is None:
            return {}
        return {**self.result.schema, "$defs": self.result.defs} if self.result.defs else self.result.schema

    def _property(self, name: str) -> dict[str, object]:
        """An argument's schema with its default, where the default has a JSON form."""
        from penstock.agents.serialise import NotSerialisable, plain

        schema = self.shapes[name].schema
        if self.needed[name]:
            return schema
        try:
            return {**schema, "default": plain(self._defaults[name])}
        except NotSerialisable:
            return schema


def _hints(function: Callable[..., object]) -> dict[str, object]:
    """The annotations; typing is only asked when one is text (`from __future__ import annotations`)."""
    annotations = function.__annotations__
    if not any(isinstance(annotation, str) for annotation in annotations.values()):
        return annotations
    import typing

    return typing.get_type_hints(function, include_extras=True)


def _parameters(function: Callable[..., object]) -> "tuple[tuple[str, ...], str]":
    """The names of the parameters, and of `**rest` (or ""). Without `inspect`: it costs 10 ms."""
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    rest = code.co_varnames[count] if code.co_flags & _VAR_KEYWORD else ""
    return code.co_varnames[:count], rest


def _defaults(function: Callable[..., object]) -> dict[str, object]:
    code = function.__code__
    given = function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    with_default = positional[len(positional) - len(given) :]
    keyword_only = function.__kwdefaults__ or {}
    return {**dict(zip(with_default, given, strict=True)), **keyword_only}


def _refuse_positional(function: Callable[..., object]) -> None:
    code = function.__code__
    if code.co_flags & _VAR_POSITIONAL or code.co_posonlyargcount:
        raise TypeError(
            f"{function.__name__}: an agent's input is an object, so each argument needs a name; "
            "remove *args and positional-only arguments"
        )


def _named(name: str, annotation: object, shape_of: "Callable[[object], Shape]") -> "Shape":
    try:
        return shape_of(annotation)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error
