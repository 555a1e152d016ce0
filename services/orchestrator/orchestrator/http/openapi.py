"""The OpenAPI page, made from the endpoints' declarations: what is documented is what is decoded."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from orchestrator.domain.breaker_keys import KEY_PATTERN
from orchestrator.http.endpoint import Answer, Body, Endpoint
from orchestrator.http.problems import MEDIA_TYPE as PROBLEM_MEDIA_TYPE
from orchestrator.http.problems import ProblemDocument
from orchestrator.http.reading import PROJECT_HEADER
from penstock.contracts.names import NAME_PATTERN, PROJECT_DEFAULT

DESCRIPTION = """\
Durable DAG workflows for sandboxed agents. Save a workflow, start runs of it, watch them, and ask why they wait.

Every answer carries `X-Request-Id`. Errors are RFC 9457 problem documents; an input error lists each field.
Lists are pages: pass `next` as `cursor` until it is null. Times are RFC 3339, UTC."""

_TAGS = {
    "workflows": "Definitions and their versions. A version never changes; saving a changed definition makes the next.",
    "schedules": "What starts runs at its times: cron lines of the latest versions, and their ticks.",
    "runs": "Executions of one version, from start to end.",
    "timeline": "What happened in a run, node by node, and why nothing more happens.",
    "artifacts": "Files, addressed by the SHA-256 of their bytes.",
    "events": "What happened elsewhere, as CloudEvents. Nodes wait for them; they are kept for 7 days.",
    "operations": "How Penstock is.",
}
_ERRORS = {
    400: "The request cannot be read, or names a field that does not exist",
    404: "No such thing; the detail names the nearest that exists",
    413: "Larger than the limit",
    415: "The content type is not understood",
    429: "The project starts runs faster than it may; the header Retry-After says when to ask again",
    422: "The input is wrong; `errors` lists every problem with its path",
    503: "A dependency is away; try again later",
}
_PATH_PARAMETERS = {
    "run_id": ({"type": "string", "format": "uuid"}, "The run's id"),
    "name": ({"type": "string", "pattern": NAME_PATTERN}, "The workflow's name"),
    "workflow": ({"type": "string", "pattern": NAME_PATTERN}, "The workflow's name"),
    "schedule": ({"type": "string", "pattern": NAME_PATTERN}, "The schedule's name in its workflow"),
    "version": ({"type": "integer", "minimum": 1}, "The version's number"),
    "node": (
        {"type": "string", "pattern": rf"{NAME_PATTERN}(\[\d+\])?(:undo)?"},
        "The node's name, as its author gave it; `patch[17]` is an item of it, `charge:undo` its undoing",
    ),
    "scope": ({"type": "string", "enum": ["project", "pool", "starts"]}, "What is limited"),
    "limited": ({"type": "string", "pattern": NAME_PATTERN}, "The name of the project or pool"),
    "key": ({"type": "string", "pattern": KEY_PATTERN}, "The breaker's key"),
    "sha256": ({"type": "string", "pattern": "[0-9a-f]{64}"}, "The SHA-256 of the bytes, in hex"),
}
_TOLD_APART = ("workflows", "schedules", "runs", "timeline", "events")
_OF_PROJECT = ("/api/v1/statistics", "/api/v1/breakers")
_REFERENCE = "#/components/schemas/{name}"


def openapi_document(endpoints: Sequence[Endpoint], *, version: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path.replace(":path}", "}"), {})[endpoint.method.lower()] = _operation(
            endpoint
        )
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Penstock orchestrator", "version": version, "description": DESCRIPTION},
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {"schemas": _components(_kinds(endpoints))},
    }
    # Through JSON once: defaults of the structs are values that only msgspec can encode.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return plain


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [_tag(endpoint.path)],
        "summary": endpoint.summary,
        "description": endpoint.description or endpoint.summary,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint), *_headers(endpoint)],
        "responses": {str(status): _response(answer) for status, answer in endpoint.answers.items()},
    }
    operation["responses"] |= {str(status): _problem(status, endpoint) for status in endpoint.errors}
    if endpoint.body is not None:
        operation["requestBody"] = _request_body(endpoint.body)
    return operation


def _tag(path: str) -> str:
    """The collection in the path; what belongs to one run's story is its timeline."""
    parts = path.removeprefix("/api/v1/").split("/")
    if parts[0] == "runs" and len(parts) > 2 and parts[2] in ("events", "nodes", "explain"):
        return "timeline"
    return parts[0] if parts[0] in _TAGS else "operations"


def _path_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)(?::path)?\}", endpoint.path):
        schema, description = _PATH_PARAMETERS[name]
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


def _query_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    """The struct's docstring describes them all; each has its own schema with limits and default."""
    if endpoint.query is None:
        return
    schema = msgspec.json.schema(endpoint.query)["$defs"][endpoint.query.__name__]
    for name, parameter in schema["properties"].items():
        yield {"name": name, "in": "query", "required": False, "schema": parameter}


def _headers(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    if _tag(endpoint.path) in _TOLD_APART or endpoint.path.startswith(_OF_PROJECT):
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
