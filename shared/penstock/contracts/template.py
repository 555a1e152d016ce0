"""JSON values with holes: `${{ … }}` in their strings. Read once, rendered for each run; pure.

A string that is one expression keeps the expression's type; text around expressions makes a string, in which
values that are no strings stand as compact JSON. Data never becomes expression source. A literal `${{` is
written as `${{ "${{" }}`.
"""

from collections.abc import Container, Iterator, Mapping
from typing import TypeAlias

import msgspec

from penstock.contracts.expression import (
    Evaluate,
    Expression,
    ExpressionFailed,
    TemplateError,
    end_of,
    parse,
    references,
    rewrite,
)
from penstock.contracts.workflow import Json

__all__ = [
    "Evaluate",
    "Expression",
    "ExpressionFailed",
    "Literal",
    "Part",
    "Template",
    "TemplateError",
    "compile_template",
    "condition",
    "holds",
    "references",
    "rewrite",
    "split",
    "strings",
]

OPENING = "${{"


class Literal(msgspec.Struct, frozen=True):
    """Text that stands for itself."""

    text: str


Part: TypeAlias = Literal | Expression


class _Text(msgspec.Struct, frozen=True):
    """A string with text around its expressions."""

    parts: tuple[Part, ...]


class _Object(msgspec.Struct, frozen=True):
    """`constant` holds every key in the author's order; `holes` replaces some of its values."""

    constant: dict[str, Json]
    holes: tuple[tuple[str, "Hole"], ...]


class _Array(msgspec.Struct, frozen=True):
    constant: list[Json]
    holes: tuple[tuple[int, "Hole"], ...]


Hole: TypeAlias = Expression | _Text | _Object | _Array


class Template(msgspec.Struct, frozen=True):
    """A value to fill in. Without a hole it is `constant`, which rendering hands out: never change it."""

    constant: Json
    hole: Hole | None
    expressions: tuple[Expression, ...]

    def render(self, evaluate: Evaluate, context: Mapping[str, Json]) -> Json:
        """The value with every expression evaluated; raises ExpressionFailed for the first that fails."""
        return self.constant if self.hole is None else _fill(self.hole, evaluate, context)


def split(text: str, known_nodes: Container[str] = ()) -> tuple[Part, ...]:
    """The literals and expressions that `text` is made of, in order; raises TemplateError."""
    parts: list[Part] = []
    done = 0
    while (opening := text.find(OPENING, done)) >= 0:
        if opening > done:
            parts.append(Literal(text[done:opening]))
        start = opening + len(OPENING)
        end = end_of(text, start)
        parts.append(parse(text[start:end], known_nodes))
        done = end + 2
    if done < len(text):
        parts.append(Literal(text[done:]))
    return tuple(parts)


def compile_template(value: Json, known_nodes: Container[str] = ()) -> Template:
    """Read every string of `value` once; raises TemplateError for the first that is wrong."""
    found: list[Expression] = []
    hole = _compile(value, known_nodes, found)
    return Template(constant=value if hole is None else None, hole=hole, expressions=tuple(found))


def condition(text: str, known_nodes: Container[str] = ()) -> Expression:
    """The one expression that an `if` is; raises TemplateError if it is anything else."""
    parts = split(text, known_nodes)
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return parts[0]
    raise TemplateError("an `if` is exactly one expression: '${{ … }}'")


def holds(expression: Expression, evaluate: Evaluate, context: Mapping[str, Json]) -> bool:
    """What a condition says; anything but a bool is a failure, for `"false"` would be true."""
    value = expression.evaluate(evaluate, context)
    if isinstance(value, bool):
        return value
    raise ExpressionFailed(expression.source, f"expected true or false, got {_as_text(value)[:80]}")


def strings(value: Json) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each string of a JSON value with the keys and indexes that lead to it; keys are not among them."""
    stack: list[tuple[tuple[str | int, ...], Json]] = [((), value)]
    while stack:
        path, current = stack.pop()
        if isinstance(current, str):
            yield path, current
        elif isinstance(current, dict):
            stack += [((*path, key), current[key]) for key in reversed(current)]
        elif isinstance(current, list):
            stack += [((*path, index), current[index]) for index in reversed(range(len(current)))]


def _compile(value: Json, known_nodes: Container[str], found: list[Expression]) -> Hole | None:
    if isinstance(value, str):
        return _compile_text(value, known_nodes, found) if OPENING in value else None
    if isinstance(value, dict):
        members = ((key, _compile(item, known_nodes, found)) for key, item in value.items())
        holes = tuple((key, hole) for key, hole in members if hole is not None)
        return _Object(value, holes) if holes else None
    if isinstance(value, list):
        items = (_compile(item, known_nodes, found) for item in value)
        places = tuple((index, hole) for index, hole in enumerate(items) if hole is not None)
        return _Array(value, places) if places else None
    return None


def _compile_text(text: str, known_nodes: Container[str], found: list[Expression]) -> Hole:
    parts = split(text, known_nodes)
    found.extend(part for part in parts if isinstance(part, Expression))
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Expression) else _Text(parts)


def _fill(hole: Hole, evaluate: Evaluate, context: Mapping[str, Json]) -> Json:
    if isinstance(hole, Expression):
        return hole.evaluate(evaluate, context)
    if isinstance(hole, _Text):
        return "".join(
            part.text if isinstance(part, Literal) else _as_text(part.evaluate(evaluate, context))
            for part in hole.parts
        )
    if isinstance(hole, _Object):
        filled = dict(hole.constant)
        for key, inner in hole.holes:
            filled[key] = _fill(inner, evaluate, context)
        return filled
    items = list(hole.constant)
    for index, inner in hole.holes:
        items[index] = _fill(inner, evaluate, context)
    return items


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
