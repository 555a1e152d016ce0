"""The OpenAPI page, made from the endpoints' declarations: what is documented is what is decoded."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from penstock.contracts.names import NAME_PATTERN, PROJECT_DEFAULT
from penstock.http.endpoint import Answer, Body, Endpoint
from penstock.http.problems import MEDIA_TYPE as PROBLEM_MEDIA_TYPE
from penstock.http.problems import ProblemDocument
from penstock.http.reading import PROJECT_HEADER

_ERRORS = {
    400: "The request cannot be read, or names a field that does not exist",
    404: "No such thing; the detail names the nearest that exists",
    413: "Larger than the limit",
    415: "The content type is not understood",
    429: "The project starts runs faster than it may; the header Retry-After says when to ask again",
    422: "The input is wrong; `errors` lists every problem with its path",
    503: "A dependency is away; try again later",
}
_REFERENCE = "#/components/schemas/{name}"


class Page(msgspec.Struct, frozen=True):
    """What a service says of itself. `tags`: name → sentence; `tag_of` finds one for a path. `path_parameters`:
    name → (schema, sentence). `is_of_project`: whether the header with the project counts."""

    title: str
    version: str
    description: str
    tags: Mapping[str, str]
    tag_of: Callable[[str], str]
    path_parameters: Mapping[str, tuple[dict[str, Any], str]]
    is_of_project: Callable[[str], bool]


def openapi_document(endpoints: Sequence[Endpoint], page: Page) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(endpoint.path.replace(":path}", "}"), {})
        operations[endpoint.method.lower()] = _operation(endpoint, page)
    document = {
        "openapi": "3.1.0",
        "info": {"title": page.title, "version": page.version, "description": page.description},
        "tags": [{"name": name, "description": text} for name, text in page.tags.items()],
        "paths": paths,
        "components": {"schemas": _components(_kinds(endpoints))},
    }
    # Through JSON once: defaults of the structs are values that only msgspec can encode.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return plain


def _operation(endpoint: Endpoint, page: Page) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [page.tag_of(endpoint.path)],
        "summary": endpoint.summary,
        "description": endpoint.description or endpoint.summary,
        "parameters": [
            *_path_parameters(endpoint, page),
            *_query_parameters(endpoint),
            *_headers(endpoint, page),
        ],
        "responses": {str(status): _response(answer) for status, answer in endpoint.answers.items()},
    }
    operation["responses"] |= {str(status): _problem(status, endpoint) for status in endpoint.errors}
    if endpoint.body is not None:
        operation["requestBody"] = _request_body(endpoint.body)
    return operation


def _path_parameters(endpoint: Endpoint, page: Page) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)(?::path)?\}", endpoint.path):
        schema, description = page.path_parameters[name]
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


def _query_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    """The struct's docstring describes them all; each has its own schema with limits and default."""
    if endpoint.query is None:
        return
    schema = msgspec.json.schema(endpoint.query)["$defs"][endpoint.query.__name__]
    for name, parameter in schema["properties"].items():
        yield {"name": name, "in": "query", "required": False, "schema": parameter}


def _headers(endpoint: Endpoint, page: Page) -> Iterable[dict[str, Any]]:
    if page.is_of_project(endpoint.path):
        schema = {"type": "string", "pattern": NAME_PATTERN, "default": PROJECT_DEFAULT}
        yield {
            "name": PROJECT_HEADER,
            "in": "header",
            "schema": schema,
            "description": "The project (tenant)",
        }


def _request_body(body: Body) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": body.kind if isinstance(body.kind, dict) else _schema(body.kind)}
    if body.example is not None:
        content["example"] = body.example
    return {"required": body.required, "content": dict.fromkeys(body.media_types, content)}


def _response(answer: Answer) -> dict[str, Any]:
    schemas = [_schema(kind) for kind in answer.kinds]
    content = {} if not schemas else {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    return {"description": answer.description, "content": {answer.media_type: content}}


def _problem(status: int, endpoint: Endpoint) -> dict[str, Any]:
    description = endpoint.conflicts if status == 409 else _ERRORS[status]
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": _schema(ProblemDocument)}}}


def _kinds(endpoints: Sequence[Endpoint]) -> list[Any]:
    bodies = [e.body.kind for e in endpoints if e.body is not None and not isinstance(e.body.kind, dict)]
    answers = [kind for e in endpoints for answer in e.answers.values() for kind in answer.kinds]
    return [ProblemDocument, *bodies, *answers]


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return schema


def _components(kinds: list[Any]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    return components
