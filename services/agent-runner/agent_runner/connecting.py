"""Connects a runner to the bus: as long as it takes, unless it is told to stop meanwhile."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

from agent_runner.settings import Settings
from agent_runner.stopping import Stop
from penstock.bus.connection import Bus, connect


async def connected(settings: Settings, stop: Stop, stack: AsyncExitStack) -> Bus | None:
    """The bus, however long it takes, or None when told to stop before."""
    connection = connect(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name=f"agent-runner {settings.id}",
    )
    connecting = asyncio.create_task(connection.__aenter__())
    told = asyncio.create_task(stop.drain.wait())
    try:
        await asyncio.wait({connecting, told}, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            return None
        stack.push_async_callback(_hang_up, connection)
        return connecting.result()
    finally:
        connecting.cancel()
        told.cancel()


async def _hang_up(connection: AbstractAsyncContextManager[Bus]) -> None:
    """Closing a connection that is broken anyway is no reason to fail after a drain."""
    with suppress(ConnectionError):
        await connection.__aexit__(None, None, None)
