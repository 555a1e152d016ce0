"""The four contracts of a delivery, designed from its analysis. Each is an OpenAPI 3.1 document.

api         the operations on the resources
data        the resources as they are kept: no paths, schemas only
events      what happened to them, as a feed
operations  how the running software is watched

The documents name operations; the blueprint decides how one calls them (HTTP, commands, Python methods).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from delivery.analysis import Analysis, Field, Resource, Transition, camel, operation_id

CONTRACTS = ("api", "data", "events", "operations")
Document = dict[str, Any]
VERSION = "0.1.0"
_VERBS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_PROBLEM = {
    "type": "object",
    "required": ["title", "status"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def design(analysis: Analysis) -> dict[str, Document]:
    return {
        "api": _api(analysis),
        "data": _data(analysis),
        "events": _events(analysis),
        "operations": _operations(analysis),
    }


def operations_of(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Path, verb and operation, in the document's order."""
    for path, item in document.get("paths", {}).items():
        for verb in _VERBS:
            if verb in item:
                yield path, verb, item[verb]


def _document(analysis: Analysis, part: str, **content: Any) -> Document:
    info = {"title": f"{analysis.title}: {part}", "version": VERSION, "description": analysis.summary}
    return {"openapi": "3.1.0", "info": info, **content}


def _api(analysis: Analysis) -> Document:
    paths: Document = {}
    for resource in analysis.resources:
        paths |= _paths(resource, analysis)
    schemas = {"Problem": _PROBLEM}
    for resource in analysis.resources:
        schemas |= _schemas(resource)
    return _document(analysis, "API", paths=paths, components={"schemas": schemas})


def _data(analysis: Analysis) -> Document:
    schemas = {camel(each.name): _kept(each) for each in analysis.resources}
    return _document(analysis, "data", components={"schemas": schemas})


def _events(analysis: Analysis) -> Document:
    types = [
        name
        for each in analysis.resources
        for name in [f"{each.name}.{past}" for past in ("created", "updated", "deleted")]
        + [f"{each.name}.{move.name}" for move in each.transitions]
    ]
    event = {
        "type": "object",
        "required": ["seq", "type", "subject", "time"],
        "properties": {
            "seq": {"type": "integer", "minimum": 1},
            "type": {"type": "string", "enum": types} if types else {"type": "string"},
            "subject": {"type": "string", "description": "The id of the resource"},
            "time": {"type": "string", "format": "date-time"},
        },
    }
    after = {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0, "default": 0}}
    operation = _operation(
        "listChangeEvents", "What happened after this number, oldest first", 200, _list_of("Event"), analysis
    )
    paths = {"/change-events": {"get": {**operation, "parameters": [after]}}}
    return _document(analysis, "events", paths=paths, components={"schemas": {"Event": event}})


def _operations(analysis: Analysis) -> Document:
    health = {
        "type": "object",
        "required": ["status", "counts"],
        "properties": {
            "status": {"type": "string", "enum": ["ok"]},
            "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        },
    }
    text = {"type": "string"}
    about = {"type": "object", "required": ["name", "version"], "properties": {"name": text, "version": text}}
    paths = {
        "/health": {"get": _operation("getHealth", "Whether it works", 200, _ref("Health"), analysis)},
        "/version": {"get": _operation("getVersion", "What it is", 200, _ref("Version"), analysis)},
    }
    schemas = {"Health": health, "Version": about}
    return _document(analysis, "operations", paths=paths, components={"schemas": schemas})


def _paths(resource: Resource, analysis: Analysis) -> Document:
    name, root = camel(resource.name), f"/{resource.plural.replace('_', '-')}"
    shape = _ref(name)
    makers = {
        "create": (root, "post", 201, shape, ["409", "422"]),
        "list": (root, "get", 200, _list_of(name), ["422"]),
        "read": (f"{root}/{{id}}", "get", 200, shape, ["404"]),
        "update": (f"{root}/{{id}}", "patch", 200, shape, ["404", "409", "422"]),
        "delete": (f"{root}/{{id}}", "delete", 204, None, ["404", "409"]),
    }
    paths: Document = {}
    for operation in resource.operations:
        path, verb, status, answer, refusals = makers[operation]
        summary = f"{operation.capitalize()} {resource.plural if operation == 'list' else resource.name}"
        made = _operation(operation_id(operation, resource), summary, status, answer, analysis, refusals)
        paths.setdefault(path, {})[verb] = made | _about(operation, resource)
    for move in resource.transitions:
        path = f"{root}/{{id}}/{move.name.replace('_', '-')}"
        made = _operation(
            operation_id(move.name, resource), _sentence(move), 200, shape, analysis, ["404", "409"]
        )
        changes = {"field": move.field, "from": move.source, "to": move.target}
        paths[path] = {"post": {**made, "parameters": [_ID], "x-transition": changes}}
    return paths


_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _about(operation: str, resource: Resource) -> Document:
    """Parameters and body of one of the five operations, and what guards it."""
    about: Document = {}
    if operation == "list":
        fields = [each for each in resource.fields if each.name in resource.filters]
        filters = [{"name": each.name, "in": "query", "schema": _schema(each)} for each in fields]
        about["parameters"] = filters
    if operation in ("read", "update", "delete"):
        about["parameters"] = [_ID]
    if operation in ("create", "update"):
        given = {"create": "New", "update": "Changed"}[operation] + camel(resource.name)
        about["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(given)}}}
    guards = [
        {"field": each.field, "is": each.value} for each in resource.guards if each.operation == operation
    ]
    return {**about, "x-refused-while": guards} if guards else about


def _operation(
    name: str,
    summary: str,
    status: int,
    answer: Document | None,
    analysis: Analysis,
    refusals: Iterable[str] = (),
) -> Document:
    reply: Document = {"description": summary}
    if answer is not None:
        reply["content"] = {"application/json": {"schema": answer}}
    problem = {"description": "Refused", "content": {"application/json": {"schema": _ref("Problem")}}}
    asked = [each.id for each in analysis.requirements if name in each.covers]
    responses = {str(status): reply, **dict.fromkeys(refusals, problem)}
    return {"operationId": name, "summary": summary, "x-requirements": asked, "responses": responses}


def _schemas(resource: Resource) -> Document:
    name = camel(resource.name)
    moved = {each.field for each in resource.transitions}
    change = [each for each in resource.fields if each.name not in moved]
    return {
        name: _kept(resource),
        f"New{name}": _object(resource.fields, required=[e.name for e in resource.fields if e.required]),
        f"Changed{name}": _object(change, required=[]),
    }


def _kept(resource: Resource) -> Document:
    required = ["id", *(each.name for each in resource.fields if each.required)]
    schema = _object(resource.fields, required=required)
    schema["properties"] = {"id": {"type": "string"}, **schema["properties"]}
    unique = [each.name for each in resource.fields if each.unique]
    return {**schema, "x-unique": unique}


def _object(fields: Iterable[Field], *, required: list[str]) -> Document:
    properties = {each.name: _schema(each) for each in fields}
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _schema(field: Field) -> Document:
    schema: Document = {"type": "string" if field.type in ("date", "date-time") else field.type}
    if field.type in ("date", "date-time"):
        schema["format"] = field.type
    bounds = {"minimum": field.minimum, "maximum": field.maximum, "maxLength": field.length_max}
    schema |= {key: _whole(bound) for key, bound in bounds.items() if bound is not None}
    if field.required and schema["type"] == "string" and "format" not in schema and not field.choices:
        schema["minLength"] = 1
    return {**schema, "enum": field.choices} if field.choices else schema


def _whole(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> Document:
    listed = {"items": {"type": "array", "items": _ref(name)}}
    return {"type": "object", "required": ["items"], "properties": listed}


def _sentence(move: Transition) -> str:
    return f"Change the {move.field.replace('_', ' ')} from {move.source} to {move.target}"
