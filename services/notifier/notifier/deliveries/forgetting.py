"""Old deliveries are forgotten with their tries, a limited number at a time."""

from datetime import timedelta

import asyncpg
import structlog

from notifier.store.deliveries import delete_old

KEPT = timedelta(days=30)  # long after the bus has forgotten their events, so that none is told twice
ROWS_MAX = 1_000
ROUNDS_MAX = 100  # of one turn of the clock

log = structlog.get_logger(__name__)


class Forgetting:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __call__(self) -> None:
        deleted = 0
        for _ in range(ROUNDS_MAX):
            found = await delete_old(self._pool, age=KEPT, rows_max=ROWS_MAX)
            deleted += found
            if found < ROWS_MAX:
                break
        if deleted:
            log.info("deliveries.forgotten", deliveries=deleted)
