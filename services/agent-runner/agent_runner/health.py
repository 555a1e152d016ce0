"""/health, /ready and /metrics of a runner."""

from collections.abc import Callable

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.http.middleware import RequestScope
from penstock.telemetry.exposition import exposition


class Dependency(msgspec.Struct, frozen=True):
    """Something that a runner needs in order to take work. `detail` says what to change when it is not ok."""

    name: str
    ok: bool
    detail: str


class RefusedAgent(msgspec.Struct, frozen=True):
    """An agent that could not be loaded."""

    name: str
    error: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether this runner takes work, and if not, why."""

    runner: str
    pool: str
    tier: str
    slots: int
    running: int
    draining: bool
    agents: int  # that it can run
    refused: tuple[RefusedAgent, ...]  # it takes work for the others
    dependencies: tuple[Dependency, ...]

    @property
    def is_ready(self) -> bool:
        return not self.draining and all(dependency.ok for dependency in self.dependencies)


def health_app(readiness: Callable[[], Readiness]) -> Starlette:
    async def health(_: Request) -> Response:
        return _json({"status": "ok"})

    async def ready(_: Request) -> Response:
        state = readiness()
        status = "ready" if state.is_ready else "draining" if state.draining else "not ready"
        document = {"status": status, **msgspec.to_builtins(state)}
        return _json(document, status=200 if state.is_ready else 503)

    async def metrics(request: Request) -> Response:
        body, media_type = exposition(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    routes = {"/health": health, "/ready": ready, "/metrics": metrics}
    app = Starlette(routes=[Route(path, answer) for path, answer in routes.items()])
    app.add_middleware(RequestScope, templates={answer: path for path, answer in routes.items()})
    return app


def _json(value: object, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")
