"""Whether the orchestrator can do its work: each dependency, asked now."""

import time
from collections.abc import Awaitable, Callable

import asyncpg
import nats.errors

from orchestrator.engine.port import Dependency
from penstock.bus.connection import Bus

TIMEOUT_S = 2.0


class Readiness:
    """Asks the database for a row and the bus for its streams."""

    def __init__(self, bus: Bus, pool: asyncpg.Pool) -> None:
        self._bus = bus
        self._pool = pool

    async def __call__(self) -> tuple[Dependency, ...]:
        return (await _ask("postgresql", self._database), await _ask("nats", self._streams))

    async def _database(self) -> str:
        await self._pool.fetchval("select 1", timeout=TIMEOUT_S)
        return f"{self._pool.get_size()} connections, {self._pool.get_idle_size()} idle"

    async def _streams(self) -> str:
        if not self._bus.is_connected:
            raise ConnectionError("not connected")
        account = await self._bus.client.jetstream(timeout=TIMEOUT_S).account_info()
        return f"{account.streams} streams, {account.consumers} consumers"


async def _ask(name: str, ask: Callable[[], Awaitable[str]]) -> Dependency:
    began = time.perf_counter()
    try:
        detail = await ask()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error) as error:
        return Dependency(name, ok=False, detail=repr(error), seconds=time.perf_counter() - began)
    return Dependency(name, ok=True, detail=detail, seconds=time.perf_counter() - began)
