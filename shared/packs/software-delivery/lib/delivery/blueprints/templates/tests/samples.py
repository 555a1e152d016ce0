"""Values made from the contracts: some that fit, and for each rule one that breaks it."""

from collections.abc import Iterator
from typing import Any

from contract import Collection, Operation, resolved

Values = dict[str, Any]


def sample(operation: Operation, number: int = 1, **given: Any) -> Values:
    """A body with every field. Other numbers give other values, where the schema has others."""
    schema = operation.body or {}
    made = {
        name: value(resolved(each, operation.document), name, number)
        for name, each in schema.get("properties", {}).items()
    }
    return {**made, **given}


def fitting(collection: Collection, operation: Operation, number: int = 1) -> Values:
    """A body for a new thing that `operation` is not refused for."""
    made = sample(collection.create, number)
    properties = (collection.create.body or {})["properties"]
    for guard in operation.guards:
        refused = {each["is"] for each in operation.guards if each["field"] == guard["field"]}
        choices = [each for each in properties[guard["field"]].get("enum", ["free"]) if each not in refused]
        made[guard["field"]] = choices[0] if choices else made[guard["field"]]
    return made


def value(schema: Values, name: str, number: int) -> Any:
    if "enum" in schema:
        return schema["enum"][number % len(schema["enum"])]
    match schema.get("type"):
        case "integer" | "number":
            return _number(schema, number)
        case "boolean":
            return number % 2 == 0
        case "string":
            return _text(schema, name, number)
        case "array":
            return []
    return {}


def broken(operation: Operation) -> Iterator[tuple[str, str, Values]]:
    """Bodies that break one rule each: the rule, the field, the body."""
    schema, good = operation.body or {}, sample(operation)
    for name in schema.get("required", []):
        yield "missing", name, {key: each for key, each in good.items() if key != name}
    for name, each in schema.get("properties", {}).items():
        for rule, wrong in _wrong(resolved(each, operation.document)):
            yield rule, name, {**good, name: wrong}
    if schema.get("additionalProperties") is False:
        yield "unknown", "no_such_field", {**good, "no_such_field": 1}


def _wrong(schema: Values) -> Iterator[tuple[str, Any]]:
    step = 1 if schema.get("type") == "integer" else 0.01
    yield "type", 5 if schema.get("type") == "string" else "no such value"
    if "enum" in schema:
        yield "choice", "no such choice"
    if "minimum" in schema:
        yield "minimum", schema["minimum"] - step
    if "maximum" in schema:
        yield "maximum", schema["maximum"] + step
    if schema.get("minLength"):
        yield "empty", ""
    if "maxLength" in schema:
        yield "length", "x" * (schema["maxLength"] + 1)
    if schema.get("format") in ("date", "date-time"):
        yield "format", "31/12/2026"


def _number(schema: Values, number: int) -> float:
    """Different ones as long as the bounds have some: what is unique must not be there twice."""
    most = schema.get("maximum")
    least = schema.get("minimum", 0 if most is None else min(0, most - 3))
    if most is None:
        return least + number
    return least + number % (most - least + 1) if schema["type"] == "integer" else min(least + number, most)


def _text(schema: Values, name: str, number: int) -> str:
    match schema.get("format"):
        case "date":
            return f"2026-01-{number % 28 + 1:02}"
        case "date-time":
            return f"2026-01-{number % 28 + 1:02}T12:00:00+00:00"
    return f"{number} {name}"[: schema.get("maxLength")]
