"""Door 1: someone asks. The HTTP application, put together from its parts; it holds nothing global."""

from functools import partial
from importlib import metadata

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from orchestrator.engine.artifact_port import Artifacts
from orchestrator.engine.breaker_port import Breakers
from orchestrator.engine.inbox_port import InboundQueries, Inbox
from orchestrator.engine.keeping import Keeping
from orchestrator.engine.limits import Limits
from orchestrator.engine.port import Engine, Queries, Readiness, Registry, Schedules
from orchestrator.engine.start_rate import StartRate
from orchestrator.http.artifacts import ArtifactDoor
from orchestrator.http.breakers import BreakerDoor
from orchestrator.http.control import ControlDoor
from orchestrator.http.endpoints import Doors, endpoints_of
from orchestrator.http.forking import ForkDoor
from orchestrator.http.inbox import InboxDoor
from orchestrator.http.limits import LimitDoor
from orchestrator.http.middleware import RequestScope, request_id_of
from orchestrator.http.openapi import openapi_document
from orchestrator.http.operations import OperationsDoor
from orchestrator.http.problems import problem, problem_of
from orchestrator.http.retention import RetentionDoor
from orchestrator.http.runs import RunDoor
from orchestrator.http.schedules import ScheduleDoor
from orchestrator.http.starting import StartDoor
from orchestrator.http.timeline import TimelineDoor
from orchestrator.http.versions import VersionDoor
from orchestrator.http.workflows import WorkflowDoor
from penstock.contracts.errors import PenstockError
from penstock.contracts.limits import ARTIFACT_BYTES_MAX

OPENAPI_PATH = "/api/v1/openapi.json"


class HttpSettings(msgspec.Struct, frozen=True):
    """What may differ from place to place."""

    artifact_bytes_max: int = ARTIFACT_BYTES_MAX


def create_app(
    *,
    engine: Engine,
    queries: Queries,
    registry: Registry,
    schedules: Schedules,
    artifacts: Artifacts,
    breakers: Breakers,
    inbox: Inbox,
    inbound: InboundQueries,
    keeping: Keeping,
    readiness: Readiness,
    limits: Limits,
    start_rate: StartRate,
    settings: HttpSettings,
) -> FastAPI:
    """The application; `readiness` answers every dependency with its state."""
    endpoints = endpoints_of(
        Doors(
            workflows=WorkflowDoor(registry, schedules),
            versions=VersionDoor(registry),
            starting=StartDoor(engine, queries, registry, start_rate),
            runs=RunDoor(engine, queries),
            control=ControlDoor(engine, queries),
            forking=ForkDoor(engine, queries, registry, start_rate),
            schedules=ScheduleDoor(schedules, queries),
            timeline=TimelineDoor(engine, queries),
            artifacts=ArtifactDoor(artifacts, bytes_max=settings.artifact_bytes_max),
            inbox=InboxDoor(inbox, inbound),
            operations=OperationsDoor(queries, readiness),
            limits=LimitDoor(limits),
            breakers=BreakerDoor(breakers, queries),
            retention=RetentionDoor(keeping),
        )
    )
    # No interactive pages: they would load scripts from other people's servers.
    app = FastAPI(openapi_url=OPENAPI_PATH, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.openapi = partial(openapi_document, endpoints, version=metadata.version("penstock-orchestrator"))  # type: ignore[method-assign]
    for endpoint in endpoints:
        app.add_route(endpoint.path, endpoint.handle, [endpoint.method], include_in_schema=False)
    app.add_exception_handler(PenstockError, _refused)
    app.add_exception_handler(HTTPException, _unroutable)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_middleware(RequestScope, templates={endpoint.handle: endpoint.path for endpoint in endpoints})
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, PenstockError)
    return problem_of(error, request_id=request_id_of(request.scope))


async def _gone(request: Request, error: Exception) -> Response:
    """The client left before its request was whole. Nobody hears this answer; the metrics count it."""
    return Response(status_code=499)


async def _unroutable(request: Request, error: Exception) -> Response:
    """No such path, or not with this method: the framework's own errors, in our form."""
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}; every path is in {OPENAPI_PATH}"
    return problem(
        error.status_code,
        "no-such-path" if error.status_code == 404 else "refused",
        str(error.detail),
        detail,
        request_id=request_id_of(request.scope),
        headers=dict(error.headers or {}),
    )
