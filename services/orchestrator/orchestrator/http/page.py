"""What the OpenAPI page says of the orchestrator as a whole."""

from importlib import metadata
from typing import Any

from orchestrator.domain.breaker_keys import KEY_PATTERN
from penstock.contracts.names import NAME_PATTERN
from penstock.http.openapi import Page

_DESCRIPTION = """\
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
_PATH_PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
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
    "store": ({"type": "string", "pattern": NAME_PATTERN}, "The store's name"),
    "table": ({"type": "string", "pattern": NAME_PATTERN}, "The table's name in its store"),
    "key": ({"type": "string", "pattern": KEY_PATTERN}, "The breaker's key"),
    "sha256": ({"type": "string", "pattern": "[0-9a-f]{64}"}, "The SHA-256 of the bytes, in hex"),
}
_TOLD_APART = ("workflows", "schedules", "runs", "timeline", "events")
_OF_PROJECT = ("/api/v1/statistics", "/api/v1/breakers", "/api/v1/budgets", "/api/v1/stores")


def _tag(path: str) -> str:
    """The collection in the path; what belongs to one run's story is its timeline."""
    parts = path.removeprefix("/api/v1/").split("/")
    if parts[0] == "runs" and len(parts) > 2 and parts[2] in ("events", "nodes", "explain"):
        return "timeline"
    return parts[0] if parts[0] in _TAGS else "operations"


def _is_of_project(path: str) -> bool:
    return _tag(path) in _TOLD_APART or path.startswith(_OF_PROJECT)


PAGE = Page(
    title="Penstock orchestrator",
    version=metadata.version("penstock-orchestrator"),
    description=_DESCRIPTION,
    tags=_TAGS,
    tag_of=_tag,
    path_parameters=_PATH_PARAMETERS,
    is_of_project=_is_of_project,
)
