"""Alerts, wishes and actions are kept for 30 days after they were last heard of."""

from datetime import timedelta

import structlog

from notifier.alerts.port import AlertStore

KEPT = timedelta(days=30)
ALERTS_MAX = 1_000  # of one transaction
EVERY_S = 600.0

log = structlog.get_logger(__name__)


class Retention:
    """Deletes what is older, in short transactions."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store

    async def __call__(self) -> None:
        gone = 0
        while batch := await self._store.forget(older_than=KEPT, limit=ALERTS_MAX):
            gone += batch
        if gone:
            log.info("alerts.forgotten", alerts=gone)
