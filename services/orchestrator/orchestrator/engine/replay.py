"""Publishes the latest events once more, after the bus had lost them before the notifier took them.

Whoever hears events knows them by their id: one that comes twice means nothing.
"""

from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog

from orchestrator.engine.telling import cloud_event
from orchestrator.store.replay import Happened, published_events
from penstock.bus.publisher import Message, Publisher
from penstock.contracts import subjects
from penstock.contracts.wire import encode

AGE_MAX = timedelta(
    hours=1
)  # a notifier that was away for longer, while the bus was lost too, misses the rest
PAGE_EVENTS = 1_000
EVENTS_MAX = 200_000  # half a minute of the relay's time

log = structlog.get_logger(__name__)


class Replay:
    def __init__(self, pool: asyncpg.Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._publisher = publisher

    async def __call__(self) -> None:
        """Raises NotAcknowledged, or what the database raises: then begin again."""
        after, count = (UUID(int=0), 0), 0
        while count < EVENTS_MAX:
            page = await published_events(self._pool, age_max=AGE_MAX, after=after, rows_max=PAGE_EVENTS)
            await self._publisher.publish([_message(each) for each in page])
            count += len(page)
            if len(page) < PAGE_EVENTS:
                break
            after = (page[-1].event.run, page[-1].event.seq)
        log.info("replay.published", events=count, is_all=count < EVENTS_MAX)


def _message(happened: Happened) -> Message:
    event = happened.event
    cloud = cloud_event(
        event, project=happened.project, workflow=happened.workflow, traceparent=happened.traceparent
    )
    return subjects.event(happened.project, happened.workflow, event.kind), encode(cloud)
