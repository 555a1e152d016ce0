"""The contracts as tests read them: operations with their schemas, and whether an answer fits."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).parents[2] / "contracts"
_VERBS = ("get", "post", "put", "patch", "delete")
_PYTHON = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}
_FORMATS = {"date": date.fromisoformat, "date-time": datetime.fromisoformat}


@dataclass(frozen=True)
class Operation:
    """One operation of a contract, and the document that its references are resolved in."""

    name: str
    verb: str
    path: str
    about: dict[str, Any]
    document: dict[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def body(self) -> dict[str, Any] | None:
        given = self.about.get("requestBody")
        return given and resolved(given["content"]["application/json"]["schema"], self.document)

    @property
    def filters(self) -> list[dict[str, Any]]:
        return [each for each in self.about.get("parameters", []) if each["in"] == "query"]

    @property
    def guards(self) -> list[dict[str, str]]:
        return self.about.get("x-refused-while", [])

    def misfits(self, status: int, answer: Any) -> list[str]:
        """In what an answer is not what the contract says for this status."""
        reply = self.about["responses"].get(str(status))
        if reply is None:
            return [f"the contract has no answer {status} for {self.name}"]
        content = reply.get("content")
        if content is None:
            return [] if answer is None else ["expected no content"]
        return [*misfits(answer, next(iter(content.values()))["schema"], self.document)]


Covers = Callable[[Operation | str], None]
"""Notes what a test covers."""


@dataclass(frozen=True)
class Collection:
    """The operations on one kind of thing."""

    path: str
    create: Operation
    list: Operation | None = None
    read: Operation | None = None
    update: Operation | None = None
    delete: Operation | None = None
    moves: tuple[Operation, ...] = ()

    def __str__(self) -> str:
        return self.create.name

    @property
    def kept(self) -> dict[str, Any]:
        content = self.create.about["responses"]["201"]["content"]
        return resolved(content["application/json"]["schema"], self.create.document)


def load(name: str) -> dict[str, Any]:
    return json.loads((CONTRACTS / f"{name}.json").read_text(encoding="utf-8"))


def operations(name: str) -> list[Operation]:
    document = load(name)
    return [
        Operation(item[verb]["operationId"], verb.upper(), path, item[verb], document)
        for path, item in document.get("paths", {}).items()
        for verb in _VERBS
        if verb in item
    ]


def collections() -> list[Collection]:
    """Each path without parameters where things can be created, with what can be done to them."""
    found = {(each.path, each.verb): each for each in operations("api")}
    creating = [each for each in found.values() if each.verb == "POST" and "{" not in each.path and each.body]
    return [_collection(each, found) for each in creating if "201" in each.about["responses"]]


def _collection(create: Operation, found: dict[tuple[str, str], Operation]) -> Collection:
    path = create.path
    names = {"read": "GET", "update": "PATCH", "delete": "DELETE"}
    of_one = {name: found.get((path + "/{id}", verb)) for name, verb in names.items()}
    moves = tuple(
        each
        for each in found.values()
        if each.path.startswith(path + "/{id}/") and "x-transition" in each.about
    )
    return Collection(path, create, list=found.get((path, "GET")), moves=moves, **of_one)


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def misfits(value: Any, schema: dict[str, Any], document: dict[str, Any], place: str = "") -> Iterator[str]:
    """What of the value does not fit the schema, for the keywords that the contracts use."""
    schema = resolved(schema, document)
    where = place or "the answer"
    expected = schema.get("type")
    if isinstance(expected, str):
        is_wrong = not isinstance(value, _PYTHON[expected])
        if is_wrong or (isinstance(value, bool) and expected in ("integer", "number")):
            yield f"{where}: expected {expected}, found {value!r}"
            return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if isinstance(value, dict):
        yield from _object_misfits(value, schema, document, place)
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from misfits(each, schema.get("items", {}), document, f"{place}[{number}]")
    if isinstance(value, str):
        yield from _text_misfits(value, schema, where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_misfits(value, schema, where)


def _object_misfits(
    value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], place: str
) -> Iterator[str]:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield from (f"{place}.{name}: is missing" for name in schema.get("required", []) if name not in value)
    for name, each in value.items():
        if name in properties:
            yield from misfits(each, properties[name], document, f"{place}.{name}")
        elif more is False:
            yield f"{place}.{name}: is not in the contract"
        elif isinstance(more, dict):
            yield from misfits(each, more, document, f"{place}.{name}")


def _number_misfits(value: float, schema: dict[str, Any], where: str) -> Iterator[str]:
    if value < schema.get("minimum", value) or value > schema.get("maximum", value):
        yield f"{where}: {value} is out of its range"


def _text_misfits(value: str, schema: dict[str, Any], where: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{where}: has {len(value)} characters"
    try:
        _FORMATS.get(schema.get("format", ""), str)(value)
    except ValueError:
        yield f"{where}: {value!r} is no {schema['format']}"
