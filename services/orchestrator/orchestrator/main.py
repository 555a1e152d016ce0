"""The life of an orchestrator: settings, parts, doors open, doors closed in order."""

import asyncio
import os
import socket
from contextlib import AsyncExitStack, suppress

import structlog
import uvloop

from orchestrator.bus.inbox import InboxDoor
from orchestrator.bus.logs import LogsDoor
from orchestrator.bus.models import ModelDoor
from orchestrator.bus.results import ResultsDoor
from orchestrator.bus.rpc import RpcDoor
from orchestrator.composition import DRAIN_S, Parts, compose
from orchestrator.settings import PREFIX, Settings
from penstock.http.listening import listen
from penstock.service import (
    allow_many_connections,
    calm_garbage_collection,
    end,
    read_settings,
    set_up_logging,
    tracing_of,
    until_told_to_stop,
    warn_of_unknown_settings,
)
from penstock.telemetry.exporters import ORCHESTRATOR
from penstock.telemetry.target import tell_target

log = structlog.get_logger(__name__)


def main() -> None:
    """Run until SIGTERM or SIGINT; exits 2 when a setting is wrong."""
    set_up_logging("orchestrator")
    allow_many_connections()
    warn_of_unknown_settings(Settings, dict(os.environ))
    settings = read_settings(Settings)
    with listen(host=settings.http_host, port=settings.http_port, prefix=PREFIX) as listener:
        tell_target(ORCHESTRATOR, instance=f"{socket.gethostname()}:{listener.getsockname()[1]}")
        uvloop.run(serve(settings, listener))


async def serve(settings: Settings, listener: socket.socket) -> None:
    tracing = tracing_of("orchestrator")
    async with AsyncExitStack() as stack:
        stack.callback(tracing.close)
        parts = await compose(settings, stack, tracing)
        engine = asyncio.create_task(parts.engine.run())
        inbox = asyncio.create_task(parts.inbox.run())
        doors = await _open_doors(parts, listener)
        calm_garbage_collection()
        stop = asyncio.create_task(until_told_to_stop())
        log.info("orchestrator.started", host=settings.http_host, port=listener.getsockname()[1])
        ended, _ = await asyncio.wait([engine, inbox, stop, *doors], return_when=asyncio.FIRST_COMPLETED)
        log.info("orchestrator.stopping")
        await _close_doors(parts, doors)
        await end(inbox)  # what it has kept and not offered, another's sweep offers
        await _drain(parts, engine)
        for task in ended - {stop}:
            task.result()  # a loop that ended by itself ended by an error


async def _open_doors(parts: Parts, listener: socket.socket) -> list[asyncio.Task[None]]:
    results = ResultsDoor(parts.bus, parts.engine, parts.registry)
    logs = LogsDoor(parts.bus, parts.registry)
    await results.declare()
    inbox = InboxDoor(parts.bus, parts.inbox, parts.registry)
    await logs.declare()
    await inbox.declare()
    await RpcDoor(parts.requests, parts.engine).open()
    await ModelDoor(parts.requests, parts.models).open()
    await parts.control.open()
    clocks = [clock.run() for clock in parts.clocks]
    http = parts.server.serve(sockets=[listener])
    return [asyncio.create_task(door) for door in (results.run(), logs.run(), inbox.run(), *clocks, http)]


async def _close_doors(parts: Parts, doors: list[asyncio.Task[None]]) -> None:
    """HTTP finishes its requests, the bus is left to the other orchestrators; pull loops and clock stop."""
    *loops, server = doors
    parts.server.should_exit = True
    closing = [asyncio.create_task(door.close()) for door in (parts.requests, parts.control)]
    await end(*loops)
    await asyncio.wait([server, *closing], timeout=DRAIN_S)


async def _drain(parts: Parts, engine: asyncio.Task[None]) -> None:
    """What was committed goes out and is noted, as far as time allows; the next orchestrator does the rest."""
    with suppress(TimeoutError):
        await asyncio.wait_for(parts.relay.drain(), DRAIN_S)
    await parts.engine.traces.idle()
    await end(engine)
