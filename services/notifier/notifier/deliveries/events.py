"""Takes events off the bus: matched in memory, kept as deliveries in one statement, then acknowledged."""

from collections.abc import Callable, Iterator

import asyncpg
import structlog
import uuid_utils.compat
from nats.aio.msg import Msg

from notifier.deliveries.catalog import Catalog
from notifier.deliveries.happened import happened, project_and_kind
from notifier.rules.subscription import concerns, matches
from notifier.store.deliveries import NewDelivery, insert
from penstock.bus.connection import Bus
from penstock.bus.permissions import CONSUMER_NOTIFIER
from penstock.bus.streams import is_declared
from penstock.bus.taking import Taking
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable
from penstock.contracts.template import Evaluate
from penstock.contracts.wire import Undecodable
from penstock.telemetry import metrics

MESSAGES_MAX = 1_000  # in hand at once
DEAD_LETTER = "no_event"

log = structlog.get_logger(__name__)


class EventsDoor:
    """`on_new` is told that there is something to send."""

    def __init__(
        self, bus: Bus, pool: asyncpg.Pool, catalog: Catalog, evaluate: Evaluate, on_new: Callable[[], None]
    ) -> None:
        self._bus = bus
        self._pool = pool
        self._catalog = catalog
        self._evaluate = evaluate
        self._on_new = on_new
        self._taking = Taking(
            bus,
            stream=subjects.STREAM_EVENTS,
            consumer=CONSUMER_NOTIFIER,
            subject=f"{subjects.EVENT}.>",
            messages_max=MESSAGES_MAX,
            serve=self._serve,
            declare=self._declared,
        )

    async def run(self) -> None:
        """Pull until cancelled."""
        await self._taking.run()

    async def _declared(self) -> None:
        """The orchestrator declares the consumer; we may not."""
        jetstream = self._bus.client.jetstream()
        if not await is_declared(jetstream, stream=subjects.STREAM_EVENTS, durable=CONSUMER_NOTIFIER):
            raise Unavailable(f"the orchestrator has not declared consumer '{CONSUMER_NOTIFIER}' yet")

    async def _serve(self, messages: list[Msg]) -> None:
        # Subscriptions that were there when an event was published are known: theirs was committed before.
        await self._catalog.fresh()
        new = [delivery for message in messages for delivery in self._deliveries_of(message)]
        if new and await insert(self._pool, new):
            self._on_new()

    def _deliveries_of(self, message: Msg) -> Iterator[NewDelivery]:
        project, kind = project_and_kind(message.subject)
        told = [
            entry.subscription
            for entry in self._catalog.entries()
            if concerns(entry.subscription, project=project, kind=kind)
        ]
        if not told:
            return
        try:
            event = happened(message.data)
        except Undecodable as error:
            metrics.DEAD_LETTERS.labels(DEAD_LETTER).inc()
            log.warning("events.undecodable", subject=message.subject, reason=str(error))
            return
        for subscription in told:
            if matches(subscription, event, self._evaluate):
                yield NewDelivery(
                    id=uuid_utils.compat.uuid7(),
                    subscription=subscription.id,
                    event_id=event.id,
                    kind=event.kind,
                    workflow=event.workflow,
                    run=event.run,
                    happened_at=event.at,
                    event=event.text,
                )
