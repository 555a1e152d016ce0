"""Showing a view on a socket until one of both ends: whatever the view has next, at the pace of its reader."""

import asyncio
from datetime import UTC, datetime

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from orchestrator.engine.frames import Frame
from orchestrator.engine.live_port import View
from penstock.contracts.errors import PenstockError
from penstock.contracts.value import Value
from penstock.service import end
from penstock.telemetry import metrics

CLOSE_ENDED, CLOSE_FAILED, CLOSE_RESTART, CLOSE_AGAIN_LATER = 1000, 1011, 1012, 1013
REASON_CHARS_MAX = 120  # a close frame has room for 123 bytes

log = structlog.get_logger(__name__)


class Ending(Value, frozen=True):
    """How a view ended. `code` is 0 when the socket is closed already; `name` is for the metrics."""

    name: str
    code: int = 0
    reason: str = ""


LEFT = Ending("left")
RESTARTED = Ending("restarted")  # the server has told the client so
ENDED = Ending("ended", CLOSE_ENDED, "run ended")
SLOW = Ending("slow", CLOSE_AGAIN_LATER, "too slow: more events wait than may; come back with `after`")
FAILED = Ending("failed", CLOSE_FAILED, "internal error; come back with `after`")


async def show(socket: WebSocket, view: View) -> None:
    """Returns when the socket is closed, by whomever."""
    sending = asyncio.create_task(_send(socket, view))
    listening = asyncio.create_task(_listen(socket))
    behind = asyncio.create_task(view.fell_behind.wait())
    try:
        await asyncio.wait((sending, listening, behind), return_when=asyncio.FIRST_COMPLETED)
        ending = await _told(sending) or await _told(listening) or SLOW
    finally:
        await end(sending, listening)
        behind.cancel()
    metrics.SOCKETS_CLOSED.labels(ending.name).inc()
    if ending.code:
        await _close(socket, ending)


async def _told(task: asyncio.Task[Ending]) -> Ending | None:
    """What a task found that has ended; one that goes on has nothing to say."""
    return await task if task.done() else None


async def _send(socket: WebSocket, view: View) -> Ending:
    try:
        while (frames := await view.next()) is not None:
            for frame in frames:
                await socket.send_text(frame.text)
            _count(frames)
    except WebSocketDisconnect:
        return LEFT
    except PenstockError as error:
        return Ending("unavailable", CLOSE_AGAIN_LATER, str(error)[:REASON_CHARS_MAX])
    except Exception:
        log.exception("live.failed")
        return FAILED
    return ENDED


async def _listen(socket: WebSocket) -> Ending:
    """Until the client is gone, or the server stops. What a client says means nothing."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return RESTARTED if message.get("code") == CLOSE_RESTART else LEFT


async def _close(socket: WebSocket, ending: Ending) -> None:
    try:
        await socket.close(ending.code, ending.reason)
    except WebSocketDisconnect:
        return  # it left before it could be told


def _count(frames: tuple[Frame, ...]) -> None:
    metrics.SOCKET_FRAMES.inc(len(frames))
    now = datetime.now(UTC)
    for frame in frames:
        if frame.is_live:
            metrics.SOCKET_DELAY_SECONDS.observe(max(0.0, (now - frame.at).total_seconds()))
