"""Live views over WebSocket: the events of a run, or of a project, as they happen.

What is wrong with a request is a problem document instead of the upgrade. After it only close codes are left:
1000 the run has ended · 1012 this orchestrator restarts · 1013 the reader is too slow, or a dependency is away.
"""

from contextlib import AbstractAsyncContextManager
from typing import Annotated

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from orchestrator.engine.live_port import Live, View, Watched
from orchestrator.http.showing import show
from penstock.bus.position import Position, read_position
from penstock.contracts.errors import InvalidInput, PenstockError
from penstock.contracts.names import NAME_PATTERN
from penstock.contracts.timeline import Kind
from penstock.http.middleware import request_id_of
from penstock.http.problems import problem_of
from penstock.http.reading import AfterSeq, project_of, query_of, run_id_of
from penstock.telemetry import metrics

POSITION_HEADER = "x-penstock-position"

Name = Annotated[str, msgspec.Meta(pattern=f"^{NAME_PATTERN}$")]
Place = Annotated[str, msgspec.Meta(max_length=40)]


class RunLiveQuery(msgspec.Struct, frozen=True):
    """Events with a greater seq than `after`. `project`: for browsers, which cannot set the header."""

    after: AfterSeq = 0
    project: Name | None = None


class ProjectLiveQuery(msgspec.Struct, frozen=True):
    """Events beyond position `after`, or from now on; of a workflow, of some kinds."""

    after: Place | None = None
    project: Name | None = None
    workflow: Name | None = None
    kind: tuple[Kind, ...] = ()


class LiveDoor:
    """Opens a view for each socket."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @property
    def routes(self) -> tuple[WebSocketRoute, ...]:
        return (
            WebSocketRoute("/api/v1/runs/{run_id}/live", self.run),
            WebSocketRoute("/api/v1/live", self.project),
        )

    async def run(self, socket: WebSocket) -> None:
        try:
            query = query_of(socket, RunLiveQuery)
            project = query.project or project_of(socket)
            opening = self._live.run(project, run_id_of(socket), after=query.after)
            await _serve(socket, opening, kind="run")
        except PenstockError as error:
            await _refuse(socket, error)

    async def project(self, socket: WebSocket) -> None:
        try:
            query = query_of(socket, ProjectLiveQuery)
            watched = Watched(
                project=query.project or project_of(socket),
                workflow=query.workflow,
                kinds=frozenset(query.kind),
            )
            opening = self._live.project(watched, after=_position(query.after))
            await _serve(socket, opening, kind="project")
        except PenstockError as error:
            await _refuse(socket, error)


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    position = read_position(text)
    if position is None:
        raise InvalidInput.at("after", "expected the `position` of an event, like 643f0a1b2c3d4-1042")
    return position


async def _serve(socket: WebSocket, opening: AbstractAsyncContextManager[View], *, kind: str) -> None:
    """Accept and show; a view that cannot be opened raises before."""
    async with opening as view:
        position = view.position
        headers = [] if position is None else [(POSITION_HEADER.encode(), str(position).encode())]
        await socket.accept(headers=headers)
        connections = metrics.SOCKETS.labels(kind)
        connections.inc()
        try:
            await show(socket, view)
        finally:
            connections.dec()


async def _refuse(socket: WebSocket, error: PenstockError) -> None:
    metrics.SOCKETS_CLOSED.labels("refused").inc()
    await socket.send_denial_response(problem_of(error, request_id=request_id_of(socket.scope)))
