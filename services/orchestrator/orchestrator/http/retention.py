"""Keeping and deleting: how long a project keeps its runs, and deleting what it need not keep."""

from datetime import timedelta
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.keeping import Keeping, PruneOrder, PruneReport, RetentionView
from orchestrator.http.starting import STARTED_BY
from penstock.contracts.duration import DURATION_EXPECTED, format_duration, parse_duration
from penstock.contracts.errors import InvalidInput
from penstock.contracts.limits import RETENTION_MAX, RETENTION_MIN
from penstock.contracts.names import NAME_PATTERN, is_name
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.reading import NoQuery, body_of, project_of, query_of

Duration = Annotated[str, msgspec.Meta(max_length=50)]


class RetentionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    retention: Duration


class PruneBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the request's project, unless `project` names another. `older_than` instead of its retention."""

    dry_run: bool = False
    older_than: Duration | None = None
    project: Annotated[str, msgspec.Meta(max_length=63)] | None = None


_retention_body = msgspec.json.Decoder(RetentionBody)
_prune_body = msgspec.json.Decoder(PruneBody)


class RetentionDoor:
    """Sets how long runs are kept, and deletes."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._keeping.retention(project_of(request)))

    async def put(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project, body = project_of(request), await body_of(request, _retention_body)
        retention = _duration("retention", body.retention, at_least=RETENTION_MIN)
        return json_answer(await self._keeping.set_retention(project, retention, by=_who(request)))

    async def prune(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project, body = project_of(request), await body_of(request, _prune_body)
        if body.project is not None and not is_name(body.project):
            raise InvalidInput.at("project", f"expected a name like {NAME_PATTERN}")
        older_than = body.older_than
        order = PruneOrder(
            by=_who(request),
            project=body.project or project,
            older_than=None if older_than is None else _duration("older_than", older_than),
            dry_run=body.dry_run,
        )
        return json_answer(await self._keeping.prune(order))


def _duration(field: str, text: str, *, at_least: timedelta = timedelta(0)) -> timedelta:
    duration = parse_duration(text)
    if duration is None:
        raise InvalidInput.at(field, f"expected {DURATION_EXPECTED}, got '{text}'")
    if not at_least <= duration <= RETENTION_MAX:
        bounds = f"between {format_duration(at_least)} and {format_duration(RETENTION_MAX)}"
        raise InvalidInput.at(field, f"expected a duration {bounds}, got '{text}'")
    return duration


def _who(request: Request) -> str:
    return f"{STARTED_BY} {request.client.host}" if request.client else STARTED_BY


def retention_endpoints(door: RetentionDoor) -> tuple[Endpoint, ...]:
    path = "/api/v1/retention"
    kept = {200: Answer("How long it is", RetentionView)}
    return (
        Endpoint("GET", path, door.get, "get_retention", "How long the project keeps its runs", kept),
        Endpoint(
            "PUT",
            path,
            door.put,
            "set_retention",
            "Set how long the project keeps its runs",
            kept,
            "Counted from a run's end. What is older is deleted within the hour.",
            body=Body(RetentionBody, example={"retention": "30d"}),
        ),
        Endpoint(
            "POST",
            "/api/v1/prune",
            door.prune,
            "prune",
            "Delete what was kept long enough",
            {200: Answer("What was deleted, or would be; `more`: ask again", PruneReport)},
            "Runs of one project that ended longer ago than it keeps them, and artifacts that no run of any"
            " project names. Never a run that is open or that another one refers to.",
            body=Body(PruneBody, example={"dry_run": True, "older_than": "7d"}, required=False),
        ),
    )
