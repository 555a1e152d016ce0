"""What happened in a run: its events, its nodes with their attempts, their logs, and why nothing more happens."""

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Engine, Queries
from penstock.contracts.limits import PAGE_ROWS_MAX
from penstock.http.endpoint import json_answer
from penstock.http.middleware import mark_long_poll
from penstock.http.reading import (
    AfterSeq,
    Cursor,
    NoQuery,
    PageLimit,
    WaitSeconds,
    project_of,
    query_of,
    run_id_of,
)

LineNumber = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
AttemptNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class EventsQuery(msgspec.Struct, frozen=True):
    """Events with a greater seq than `after`; with `wait`, when there is one or time is over."""

    after: AfterSeq = 0
    limit: PageLimit = PAGE_ROWS_MAX
    wait: WaitSeconds = 0.0


class LogsQuery(msgspec.Struct, frozen=True):
    """Lines beyond number `after` of `attempt`, or of the latest attempt that wrote any."""

    attempt: AttemptNumber | None = None
    after: LineNumber | None = None
    limit: PageLimit = PAGE_ROWS_MAX


NodeStateName = Literal[
    "waiting",
    "ready",
    "running",
    "backoff",
    "suspended",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
    "compensating",
    "compensated",
    "compensation_failed",
]


class ItemsQuery(msgspec.Struct, frozen=True):
    """`state` may be repeated: items in any of these states. Items that have not begun are not listed."""

    state: tuple[NodeStateName, ...] = ()
    limit: PageLimit = 50
    cursor: Cursor | None = None


class TimelineDoor:
    """Reads what happened."""

    def __init__(self, engine: Engine, queries: Queries) -> None:
        self._engine = engine
        self._queries = queries

    async def events(self, request: Request) -> Response:
        project, run_id, query = project_of(request), run_id_of(request), query_of(request, EventsQuery)
        if query.wait:
            mark_long_poll(request.scope)
            await self._engine.committed(run_id, after=query.after, timeout_s=query.wait)
        return json_answer(await self._queries.events(project, run_id, after=query.after, limit=query.limit))

    async def node(self, request: Request) -> Response:
        query_of(request, NoQuery)
        name: str = request.path_params["node"]
        return json_answer(await self._queries.node(project_of(request), run_id_of(request), name))

    async def items(self, request: Request) -> Response:
        query = query_of(request, ItemsQuery)
        name: str = request.path_params["node"]
        page = await self._queries.items(
            project_of(request),
            run_id_of(request),
            name,
            states=query.state,
            limit=query.limit,
            cursor=query.cursor,
        )
        return json_answer(page)

    async def logs(self, request: Request) -> Response:
        query = query_of(request, LogsQuery)
        name: str = request.path_params["node"]
        page = await self._queries.logs(
            project_of(request),
            run_id_of(request),
            name,
            attempt=query.attempt,
            after=query.after,
            limit=query.limit,
        )
        return json_answer(page)

    async def explain(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._queries.explain(project_of(request), run_id_of(request)))
