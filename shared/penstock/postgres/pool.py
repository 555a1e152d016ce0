"""Opening and closing a service's connections to the database."""

import asyncio
from collections.abc import Awaitable

import asyncpg

from penstock.telemetry import metrics


async def reach_database(opening: Awaitable[asyncpg.Pool], *, setting: str) -> asyncpg.Pool:
    """The pool, or the end of the process with one sentence: who starts us decides whether to try again."""
    try:
        return await opening
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        reason = str(error) or type(error).__name__
        raise SystemExit(f"{setting}: the database does not answer: {reason}") from None


async def close_pool(pool: asyncpg.Pool, *, patience_s: float) -> None:
    """Let what runs end; after `patience_s` cut it off."""
    try:
        await asyncio.wait_for(pool.close(), patience_s)
    except TimeoutError:
        pool.terminate()


def show_connections(pool: asyncpg.Pool) -> None:
    """As a metric, asked whenever somebody looks."""
    used = metrics.DATABASE_CONNECTIONS.labels("used")
    used.set_function(lambda: pool.get_size() - pool.get_idle_size())
    metrics.DATABASE_CONNECTIONS.labels("idle").set_function(pool.get_idle_size)
