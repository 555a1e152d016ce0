"""Takes webhooks: a bounded number at a time, each stored before it is answered."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from notifier.alerts.payload import Group
from notifier.alerts.port import AlertStore, Taken
from notifier.alerts.source import Source
from penstock.contracts.errors import Unavailable
from penstock.telemetry import metrics

IN_FLIGHT_MAX = 32  # bodies of 4 MiB that are in memory at once
PATIENCE_S = 20.0  # of one webhook, from its first byte; Alertmanager itself gives up after a while

log = structlog.get_logger(__name__)


class Intake:
    """What every webhook passes. `told` is called when there is something new."""

    def __init__(self, store: AlertStore, *, told: Callable[[], None]) -> None:
        self._store = store
        self._told = told
        self._in_flight = 0

    async def take(self, source: Source, read: Callable[[], Awaitable[Group]]) -> Taken:
        """Store what `read` gives. Raises Unavailable at once when too many are at it: Alertmanager tries again."""
        if self._in_flight >= IN_FLIGHT_MAX:
            raise Unavailable(f"{IN_FLIGHT_MAX} webhooks are being stored already")
        self._in_flight += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                taken = await self._store.take(source, await read())
        except TimeoutError as error:
            raise Unavailable(f"the webhook was not stored within {PATIENCE_S:g} s") from error
        finally:
            self._in_flight -= 1
        self._tell(source, taken)
        return taken

    def _tell(self, source: Source, taken: Taken) -> None:
        for outcome, counts in (("stored", taken.stored), ("repeated", taken.repeated)):
            for status, count in counts.items():
                metrics.ALERTS.labels(source.name, status, outcome).inc(count)
        if any(taken.stored.values()):
            log.info("alerts.stored", source=source.name, **taken.stored)
            self._told()
