"""Alerts on their way to the orchestrator: what is stored and not on the bus is published, until it is."""

from datetime import timedelta

import structlog

from notifier.alerts.event import message_of
from notifier.alerts.port import AlertStore
from penstock.bus.publisher import NotAcknowledged, Publisher

ALERTS_MAX = 50  # at once: at 240 KiB each far below what the connection buffers
LEASE = timedelta(seconds=10)  # of who publishes; if it dies, another does

log = structlog.get_logger(__name__)


class Outbox:
    """Publishes what is due. Twice does no harm: the orchestrator knows an event by its id."""

    def __init__(self, store: AlertStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def __call__(self) -> None:
        while alerts := await self._store.claim_unpublished(limit=ALERTS_MAX, lease=LEASE):
            try:
                await self._publisher.publish([message_of(alert) for alert in alerts])
            except NotAcknowledged as error:
                # They come again after the lease: the bus is away, or the orchestrator has not begun yet.
                log.warning("alerts.not_published", alerts=len(alerts), reason=error.reason)
                return
            await self._store.mark_published([alert.id for alert in alerts])
