"""For those who run Penstock: health, readiness, metrics, agents and figures."""

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Dependency, Queries, Readiness
from orchestrator.http.endpoint import json_answer
from orchestrator.http.reading import Moment, NoQuery, project_of, query_of


class StatisticsQuery(msgspec.Struct, frozen=True):
    """Of one workflow; of runs created at or after `since`."""

    workflow: str | None = None
    since: Moment | None = None


class Health(msgspec.Struct, frozen=True):
    status: str = "ok"


class ReadinessView(msgspec.Struct, frozen=True):
    """`status`: ok, degraded (something that can be missed is away) or unavailable."""

    status: str
    dependencies: tuple[Dependency, ...]


class OperationsDoor:
    """Tells how things are."""

    def __init__(self, queries: Queries, readiness: Readiness) -> None:
        self._queries = queries
        self._readiness = readiness

    async def health(self, request: Request) -> Response:
        return json_answer(Health())

    async def ready(self, request: Request) -> Response:
        dependencies = await self._readiness()
        missed = [dependency for dependency in dependencies if not dependency.ok]
        unavailable = any(dependency.needed for dependency in missed)
        status = "unavailable" if unavailable else "degraded" if missed else "ok"
        return json_answer(ReadinessView(status, dependencies), status=503 if unavailable else 200)

    async def metrics(self, request: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    async def agents(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project_of(request)
        return json_answer(await self._queries.agents())

    async def statistics(self, request: Request) -> Response:
        query = query_of(request, StatisticsQuery)
        return json_answer(
            await self._queries.statistics(project_of(request), workflow=query.workflow, since=query.since)
        )
