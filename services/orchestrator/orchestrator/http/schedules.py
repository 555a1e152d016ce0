"""Schedules: list them, look at one, pause and resume it, run it now."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Queries, Schedules
from orchestrator.engine.schedule_views import ScheduleSummary, ScheduleView
from orchestrator.engine.views import Page, RunView
from orchestrator.http.control import ByBody
from penstock.http.endpoint import Answer, Endpoint, Handle, json_answer
from penstock.http.reading import Cursor, NoQuery, PageLimit, body_of, project_of, query_of


class SchedulesQuery(msgspec.Struct, frozen=True):
    """`workflow`: only its own."""

    workflow: str | None = None
    limit: PageLimit = 50
    cursor: Cursor | None = None


_by_body = msgspec.json.Decoder(ByBody)


class ScheduleDoor:
    """Asks for schedules."""

    def __init__(self, schedules: Schedules, queries: Queries) -> None:
        self._schedules = schedules
        self._queries = queries

    async def list(self, request: Request) -> Response:
        query = query_of(request, SchedulesQuery)
        page = await self._schedules.list(
            project_of(request), workflow=query.workflow, limit=query.limit, cursor=query.cursor
        )
        return json_answer(page)

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._schedules.view(project_of(request), *_schedule(request)))

    async def pause(self, request: Request) -> Response:
        return await self._switch(request, paused=True)

    async def resume(self, request: Request) -> Response:
        return await self._switch(request, paused=False)

    async def run(self, request: Request) -> Response:
        query_of(request, NoQuery)
        body = await body_of(request, _by_body)
        project = project_of(request)
        run_id = await self._schedules.run_now(project, *_schedule(request), by=body.by)
        location = {"location": f"/api/v1/runs/{run_id}"}
        return json_answer(await self._queries.run(project, run_id), status=201, headers=location)

    async def _switch(self, request: Request, *, paused: bool) -> Response:
        query_of(request, NoQuery)
        body = await body_of(request, _by_body)
        view = await self._schedules.set_paused(
            project_of(request), *_schedule(request), paused=paused, by=body.by
        )
        return json_answer(view)


def schedule_endpoints(door: ScheduleDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/api/v1/schedules",
            door.list,
            "list_schedules",
            "List schedules by workflow and name",
            {200: Answer("Those of the latest versions", Page[ScheduleSummary])},
            query=SchedulesQuery,
        ),
        _schedule_endpoint(
            "GET", "", door.get, "get_schedule", "One schedule with its next ten moments and its last ticks"
        ),
        _schedule_endpoint(
            "POST", "/pause", door.pause, "pause_schedule", "Let it tick no more until it is resumed"
        ),
        _schedule_endpoint(
            "POST",
            "/resume",
            door.resume,
            "resume_schedule",
            "Let it tick again; what came due meanwhile is not made up for",
        ),
        Endpoint(
            "POST",
            f"{_PATH}/run",
            door.run,
            "run_schedule",
            "Start its run now",
            {201: Answer("The run", RunView)},
            "Whether it is paused or not, and whatever runs already. Later ticks count this run as an earlier one.",
            conflicts="The workflow is not active",
        ),
    )


_PATH = "/api/v1/schedules/{workflow}/{schedule}"


def _schedule_endpoint(method: str, tail: str, handle: Handle, name: str, summary: str) -> Endpoint:
    return Endpoint(
        method, f"{_PATH}{tail}", handle, name, summary, {200: Answer("The schedule", ScheduleView)}
    )


def _schedule(request: Request) -> tuple[str, str]:
    return request.path_params["workflow"], request.path_params["schedule"]
