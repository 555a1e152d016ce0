"""Checks JSON values against a JSON Schema, and fills in the schema's defaults."""

import re
from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Any

from jsonschema_rs import ValidationErrorKind as Kind

from penstock.contracts.errors import Problem
from penstock.contracts.names import did_you_mean
from penstock.contracts.workflow import Json
from penstock.definition.report import described
from penstock.definition.schemas import compile_schema

VALIDATORS_MAX = 1_024  # one for each agent and workflow in use; a compiled schema is some 10 KiB
PROBLEMS_PER_VALUE_MAX = 50
CHOICES_COMPARED_MAX = 500  # comparing two names takes up to 30 µs
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# By identity of the schema: hashing one costs more than most checks. The entry keeps the schema alive, so an
# identity is never used again while it is a key.
_validators: OrderedDict[int, tuple[Json, Any]] = OrderedDict()


def check_value(schema: Json, value: Json, where: str = "input") -> tuple[Problem, ...]:
    """What is wrong with `value`, each with its path below `where`. A schema of None allows anything.

    `schema` must be valid and is not changed afterwards.
    """
    if schema is None:
        return ()
    validator = _validator(schema)
    if validator.is_valid(value):
        return ()
    problems: list[Problem] = []
    for error in validator.iter_errors(value):
        if len(problems) >= PROBLEMS_PER_VALUE_MAX:
            break
        problems += _problems(error, schema, where)
    return tuple(problems)


def with_defaults(schema: Json, value: Json) -> Json:
    """`value` with the `default` of each property that is absent, also inside nested objects. Copies what it
    changes; adds no object only to hold defaults."""
    if not isinstance(schema, dict) or not isinstance(value, dict):
        return value
    filled: dict[str, Json] = {}
    properties = schema.get("properties")
    for key, inner in properties.items() if isinstance(properties, dict) else ():
        if key in value:
            changed = with_defaults(inner, value[key])
            if changed is not value[key]:
                filled[key] = changed
        elif isinstance(inner, dict) and "default" in inner:
            filled[key] = inner["default"]
    return {**value, **filled} if filled else value


def _validator(schema: Json) -> Any:
    entry = _validators.get(id(schema))
    if entry is not None:
        return entry[1]
    validator = compile_schema(schema)
    _validators[id(schema)] = (schema, validator)
    if len(_validators) > VALIDATORS_MAX:
        _validators.popitem(last=False)
    return validator


def _problems(error: Any, schema: Json, where: str) -> Iterator[Problem]:
    path = _path(where, error.instance_path)
    kind = error.kind
    if isinstance(kind, Kind.Required):
        there = _hint(kind.property, error.instance).replace("did you mean", "there is").rstrip("?")
        yield Problem(path=path, message=f"'{kind.property}' is missing{there}")
    elif isinstance(kind, Kind.AdditionalProperties | Kind.UnevaluatedProperties):
        choices = _properties_at(schema, error.schema_path)
        for name in kind.unexpected:
            hint = _hint(name, choices) or _listed(choices)
            yield Problem(path=_path(path, [name]), message=f"unknown property '{name[:60]}'{hint}")
    else:
        yield Problem(path=path, message=_message(error, kind))


def _message(error: Any, kind: Any) -> str:
    got = described(error.instance)
    if isinstance(kind, Kind.Type):
        types = sorted(kind.types, key=lambda name: (name == "null", name))
        return f"expected {' or '.join(types)}, got {got}"
    if isinstance(kind, Kind.Enum):
        options = [option if isinstance(option, str) else repr(option) for option in kind.options]
        hint = _hint(error.instance, options) if isinstance(error.instance, str) else ""
        return f"expected one of {', '.join(options)}, got {got}{hint}"
    if isinstance(kind, Kind.Format) and kind.format == "artifact":
        return f"expected an artifact (artifact://SHA256/NAME), got {got}"
    if isinstance(kind, Kind.Format):
        return f"expected text in the format {kind.format}, got {got}"
    if isinstance(kind, Kind.Pattern):
        return f"expected text that matches {kind.pattern}, got {got}"
    message: str = error.message
    return message if len(message) <= 300 else f"{message[:300]}…"


def _hint(name: str, choices: Collection[str]) -> str:
    """The nearest of `choices`, as long as looking for it is affordable."""
    return did_you_mean(name, choices) if len(choices) <= CHOICES_COMPARED_MAX else ""


def _properties_at(schema: Json, schema_path: list[str | int]) -> tuple[str, ...]:
    """The names that the schema knows where its `additionalProperties` refused one."""
    current = schema
    for step in schema_path[:-1]:
        if isinstance(current, dict):
            current = current.get(step)
        elif isinstance(current, list) and isinstance(step, int) and step < len(current):
            current = current[step]
    properties = current.get("properties") if isinstance(current, dict) else None
    return tuple(properties) if isinstance(properties, dict) else ()


def _listed(choices: tuple[str, ...]) -> str:
    return f"; expected one of {', '.join(choices)}" if 0 < len(choices) <= 12 else ""


def _path(start: str, steps: list[str | int]) -> str:
    """`input.files[0]["odd name"]`"""
    path = start
    for step in steps:
        if isinstance(step, str) and _PLAIN_KEY.fullmatch(step):
            path = f"{path}.{step}" if path else step
        else:
            path += f"[{step}]" if isinstance(step, int) else f"[{step[:60]!r}]"
    return path
