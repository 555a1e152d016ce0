"""Whether the database answers, as a metric, for the alert on one that does not."""

import asyncpg
import structlog

from notifier.store.database import within
from notifier.store.operation import reachable
from penstock.contracts.errors import Unavailable
from penstock.telemetry import metrics

LOOK_EVERY_S = 5.0
ANSWER_S = 5.0  # one that takes longer counts as none

log = structlog.get_logger(__name__)


class DatabaseUp:
    """For the clock."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __call__(self) -> None:
        try:
            async with reachable(), within(self._pool, ANSWER_S) as connection:
                await connection.fetchval("select 1")
        except Unavailable as error:
            log.warning("database.away", reason=str(error))
            metrics.DATABASE_UP.set(0)
        else:
            metrics.DATABASE_UP.set(1)
