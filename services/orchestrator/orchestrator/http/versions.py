"""Versions of a workflow: list them, and tell what differs between two."""

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.versions import Versions
from orchestrator.engine.views import Page, VersionSummary, WorkflowDiff
from penstock.http.endpoint import Answer, Endpoint, json_answer
from penstock.http.reading import Cursor, PageLimit, project_of, query_of

VersionNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class VersionsQuery(msgspec.Struct, frozen=True):
    limit: PageLimit = 50
    cursor: Cursor | None = None


class DiffQuery(msgspec.Struct, frozen=True):
    """`to`: the latest, unless it is given. `from`: the version before `to`."""

    from_: VersionNumber | None = msgspec.field(default=None, name="from")
    to: VersionNumber | None = None


class VersionDoor:
    """Asks the registry."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    async def list(self, request: Request) -> Response:
        query = query_of(request, VersionsQuery)
        page = await self._versions.versions(
            project_of(request), request.path_params["name"], limit=query.limit, cursor=query.cursor
        )
        return json_answer(page)

    async def diff(self, request: Request) -> Response:
        query = query_of(request, DiffQuery)
        found = await self._versions.diff(
            project_of(request), request.path_params["name"], before=query.from_, after=query.to
        )
        return json_answer(found)


def version_endpoints(door: VersionDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/api/v1/workflows/{name}/versions",
            door.list,
            "list_workflow_versions",
            "The versions of a workflow, newest first",
            {200: Answer("Versions without their definitions", Page[VersionSummary])},
            "A run that is open keeps its version, also when a newer one is saved: `runs_open` counts them.",
            query=VersionsQuery,
        ),
        Endpoint(
            "GET",
            "/api/v1/workflows/{name}/diff",
            door.diff,
            "diff_workflow_versions",
            "What differs between two versions",
            {200: Answer("Every change, by node and key; none when they mean the same", WorkflowDiff)},
            "From version `from` to version `to`; without them, from the version before to the latest. The"
            " order of keys, of nodes and of names in `needs` means nothing; renames are not guessed.",
            query=DiffQuery,
        ),
    )
