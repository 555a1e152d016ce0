"""For those who run Penstock: agents and figures."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Queries
from penstock.http.endpoint import json_answer
from penstock.http.reading import Moment, NoQuery, project_of, query_of


class StatisticsQuery(msgspec.Struct, frozen=True):
    """Of one workflow; of runs created at or after `since`."""

    workflow: str | None = None
    since: Moment | None = None


class OperationsDoor:
    """Tells how things are."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def agents(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project_of(request)
        return json_answer(await self._queries.agents())

    async def agent(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project_of(request)
        return json_answer(await self._queries.agent(request.path_params["name"]))

    async def statistics(self, request: Request) -> Response:
        query = query_of(request, StatisticsQuery)
        return json_answer(
            await self._queries.statistics(project_of(request), workflow=query.workflow, since=query.since)
        )
