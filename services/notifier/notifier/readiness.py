"""Whether the notifier can do its work: each dependency, asked now."""

import asyncpg
import httpx

from penstock.bus.connection import Bus
from penstock.http.readiness import Dependency, ask

TIMEOUT_S = 2.0


class Readiness:
    """Asks the database for a row, the bus whether it is there, and the orchestrator for its health."""

    def __init__(self, bus: Bus, pool: asyncpg.Pool, orchestrator: httpx.AsyncClient) -> None:
        self._bus = bus
        self._pool = pool
        self._orchestrator = orchestrator

    async def __call__(self) -> tuple[Dependency, ...]:
        return (
            await ask("postgresql", self._database),
            await ask("nats", self._connected),
            await ask("orchestrator", self._health, needed=False),
        )

    async def _database(self) -> str:
        await self._pool.fetchval("select 1", timeout=TIMEOUT_S)
        return f"{self._pool.get_size()} connections, {self._pool.get_idle_size()} idle"

    async def _connected(self) -> str:
        if not self._bus.is_connected:
            raise ConnectionError("not connected")
        return "connected"

    async def _health(self) -> str:
        try:
            answer = await self._orchestrator.get("/health", timeout=TIMEOUT_S)
        except httpx.HTTPError as error:
            raise ConnectionError(f"it does not answer: {error!r}") from error
        return f"answers with {answer.status_code}"
