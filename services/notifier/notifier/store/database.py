"""The notifier's connections, and where its migrations are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg

MIGRATIONS = Path(__file__).parent / "migrations"
LEDGER = "notifier.schema_migration"

POOL_CONNECTIONS_MIN = 2
POOL_CONNECTIONS_MAX = 8
COMMAND_TIMEOUT_S = 30.0
_SETTINGS = {
    "application_name": "penstock-notifier",
    "search_path": "notifier",  # nothing here reads the orchestrator's tables
    "jit": "off",
    "timezone": "UTC",
}


async def open_pool(url: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        url,
        min_size=POOL_CONNECTIONS_MIN,
        max_size=POOL_CONNECTIONS_MAX,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings=_SETTINGS,
    )


@asynccontextmanager
async def within(
    pool: asyncpg.Pool, seconds: float, *, turn: asyncio.Lock | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """A connection (after `turn`) that is broken off when the time is over.

    Giving up politely does not help against a database that hangs: rolling back would wait for it as well.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with AsyncExitStack() as stack:
        async with asyncio.timeout_at(deadline):
            if turn is not None:
                await stack.enter_async_context(turn)
            connection = await stack.enter_async_context(pool.acquire())
        ending = loop.call_at(deadline, connection.terminate)
        stack.callback(ending.cancel)
        yield connection
