"""Workflows: save and check definitions, list and read them, switch them on and off."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Registry, Schedules
from orchestrator.engine.schedule_views import Upcoming
from penstock.contracts.errors import NotFound, Problem
from penstock.contracts.limits import DEFINITION_BYTES_MAX
from penstock.definition.schema import workflow_schema
from penstock.http.endpoint import json_answer
from penstock.http.problems import Malformed
from penstock.http.reading import (
    Cursor,
    NoQuery,
    PageLimit,
    body_of,
    expect_media_type,
    project_of,
    query_of,
    read_body,
)

YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain")
JSON = ("application/json",)


class WorkflowsQuery(msgspec.Struct, frozen=True):
    """`active`: only those that are, or are not."""

    active: bool | None = None
    limit: PageLimit = 50
    cursor: Cursor | None = None


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say."""


class Validation(msgspec.Struct, frozen=True):
    """`valid`: no problem is an error; warnings do not refuse. `schedules`: when those of a valid one would tick."""

    valid: bool
    problems: tuple[Problem, ...]
    schedules: tuple[Upcoming, ...] = ()


_no_body = msgspec.json.Decoder(NoBody)


class WorkflowDoor:
    """Asks the registry."""

    def __init__(self, registry: Registry, schedules: Schedules) -> None:
        self._registry = registry
        self._schedules = schedules

    async def save(self, request: Request) -> Response:
        query_of(request, NoQuery)
        saved = await self._registry.save(project_of(request), await definition_text(request))
        return json_answer(
            saved.workflow,
            status=201 if saved.created else 200,
            headers={
                "location": f"/api/v1/workflows/{saved.workflow.name}/versions/{saved.workflow.version}"
            },
        )

    async def validate(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project_of(request)
        text = await definition_text(request)
        problems = await self._registry.check(text)
        valid = not any(problem.severity == "error" for problem in problems)
        schedules = await self._schedules.upcoming(text) if valid else ()
        return json_answer(Validation(valid=valid, problems=problems, schedules=schedules))

    async def list(self, request: Request) -> Response:
        query = query_of(request, WorkflowsQuery)
        page = await self._registry.list(
            project_of(request), active=query.active, limit=query.limit, cursor=query.cursor
        )
        return json_answer(page)

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._registry.view(project_of(request), _name(request), None))

    async def version(self, request: Request) -> Response:
        query_of(request, NoQuery)
        view = await self._registry.view(project_of(request), _name(request), _version(request))
        return json_answer(view)

    async def activate(self, request: Request) -> Response:
        return await self._switch(request, active=True)

    async def deactivate(self, request: Request) -> Response:
        return await self._switch(request, active=False)

    async def schema(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return Response(msgspec.json.encode(workflow_schema()), media_type="application/schema+json")

    async def _switch(self, request: Request, *, active: bool) -> Response:
        query_of(request, NoQuery)
        await body_of(request, _no_body)
        return json_answer(await self._registry.set_active(project_of(request), _name(request), active))


async def definition_text(request: Request) -> bytes:
    expect_media_type(request, *YAML, *JSON)
    text = await read_body(request, bytes_max=DEFINITION_BYTES_MAX)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in JSON:
        _refuse_malformed(text)
    return text


def _refuse_malformed(text: bytes) -> None:
    """YAML takes almost anything; who says JSON must send JSON."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _version(request: Request) -> int:
    text: str = request.path_params["version"]
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:12]) < 2**31):
        raise NotFound("workflow version", f"{_name(request)}/{text}")
    return int(text)
