"""Alerts on their way to the orchestrator: what is stored and not on the bus is published, until it is.

What a bus has lost, perhaps before the orchestrator took it, is published once more.
"""

from datetime import timedelta

import structlog

from notifier.alerts.event import message_of
from notifier.alerts.inbox import Inbox
from notifier.alerts.port import AlertStore
from penstock.bus.publisher import NotAcknowledged, Publisher

ALERTS_MAX = 50  # at once: at 240 KiB each far below what the connection buffers
LOST_AGE_MAX = timedelta(hours=1)  # a bus that is away for longer loses none: what is not on it waits here
LEASE = timedelta(seconds=10)  # of who publishes; if it dies, another does

log = structlog.get_logger(__name__)


class Outbox:
    """Publishes what is due. Twice does no harm: the orchestrator knows an event by its id."""

    def __init__(self, store: AlertStore, publisher: Publisher, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox
        self._publisher = publisher

    async def __call__(self) -> None:
        inbox = await self._inbox.made_at()
        if inbox is not None and (lost := await self._store.see_inbox(inbox, age_max=LOST_AGE_MAX)):
            log.warning("alerts.published_again", alerts=lost, reason="the bus has a new inbox")
        while alerts := await self._store.claim_unpublished(limit=ALERTS_MAX, lease=LEASE):
            try:
                await self._publisher.publish([message_of(alert) for alert in alerts])
            except NotAcknowledged as error:
                # They come again after the lease: the bus is away, or the orchestrator has not begun yet.
                log.warning("alerts.not_published", alerts=len(alerts), reason=error.reason)
                return
            await self._store.mark_published([alert.id for alert in alerts], inbox=inbox)
