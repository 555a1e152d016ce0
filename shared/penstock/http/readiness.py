"""Whether a service can do its work: each dependency with its state, asked now (requirement M6)."""

import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import asyncpg
import msgspec
import nats.errors
from starlette.requests import Request
from starlette.responses import Response

from penstock.contracts.value import Value
from penstock.http.endpoint import Answer, Endpoint, json_answer
from penstock.patience import within
from penstock.telemetry.exposition import exposition

ASK_S_MAX = 3.0  # of one dependency: those who ask give up soon, and must hear which one it is


class Dependency(Value, frozen=True):
    """How one dependency is. `needed`: without it the service is not ready."""

    name: str
    ok: bool
    needed: bool = True
    detail: str = ""
    seconds: float | None = None


class Readiness(Protocol):
    async def __call__(self) -> tuple[Dependency, ...]: ...


class Health(msgspec.Struct, frozen=True):
    status: str = "ok"


class ReadinessView(msgspec.Struct, frozen=True):
    """`status`: ok, degraded (something that can be missed is away) or unavailable."""

    status: str
    dependencies: tuple[Dependency, ...]


async def ask(name: str, ask: Callable[[], Coroutine[Any, Any, str]], *, needed: bool = True) -> Dependency:
    """What `ask` found: its detail, or what it raised."""
    began = time.perf_counter()
    try:
        detail = await within(ASK_S_MAX, ask())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error) as error:
        return Dependency(
            name, ok=False, needed=needed, detail=repr(error), seconds=time.perf_counter() - began
        )
    return Dependency(name, ok=True, needed=needed, detail=detail, seconds=time.perf_counter() - began)


class HealthDoor:
    """What every service answers to those who run it: health, readiness, metrics."""

    def __init__(self, readiness: Readiness) -> None:
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
        body, media_type = exposition(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)


def health_endpoints(door: HealthDoor) -> tuple[Endpoint, ...]:
    ready = Answer("Ready, perhaps degraded", ReadinessView)
    away = Answer("A needed dependency is away", ReadinessView)
    alive = Answer("It does", Health)
    page = Answer("Metrics; OpenMetrics with exemplars for whoever accepts it", media_type="text/plain")
    return (
        Endpoint("GET", "/health", door.health, "get_health", "Whether the process answers", {200: alive}),
        Endpoint(
            "GET",
            "/ready",
            door.ready,
            "get_readiness",
            "Every dependency with its state",
            {200: ready, 503: away},
        ),
        Endpoint("GET", "/metrics", door.metrics, "get_metrics", "For Prometheus", {200: page}),
    )
