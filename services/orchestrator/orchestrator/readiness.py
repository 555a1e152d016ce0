"""Whether the orchestrator can do its work: each dependency, asked now."""

import asyncpg

from penstock.bus.connection import Bus
from penstock.http.readiness import Dependency, ask

TIMEOUT_S = 2.0


class Readiness:
    """Asks the database for a row and the bus for its streams."""

    def __init__(self, bus: Bus, pool: asyncpg.Pool) -> None:
        self._bus = bus
        self._pool = pool

    async def __call__(self) -> tuple[Dependency, ...]:
        return (await ask("postgresql", self._database), await ask("nats", self._streams))

    async def _database(self) -> str:
        await self._pool.fetchval("select 1", timeout=TIMEOUT_S)
        return f"{self._pool.get_size()} connections, {self._pool.get_idle_size()} idle"

    async def _streams(self) -> str:
        if not self._bus.is_connected:
            raise ConnectionError("not connected")
        account = await self._bus.client.jetstream(timeout=TIMEOUT_S).account_info()
        return f"{account.streams} streams, {account.consumers} consumers"
