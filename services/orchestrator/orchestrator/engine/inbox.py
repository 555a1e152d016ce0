"""Events from other systems. In the order of life: taken, kept once, offered to what waits for them, forgotten.

An event that was kept is offered at once. Who dies between the two leaves `offered` false, and the sweep of
any orchestrator offers it again; whoever is offered an event twice must not mind.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import asyncpg
import structlog

from orchestrator.engine.batch import Batcher
from orchestrator.engine.inbox_port import Receipt
from orchestrator.engine.registry import ABOUT_DATA
from orchestrator.store.inbound import (
    FORGOTTEN_ROWS_MAX,
    UNOFFERED_ROWS_MAX,
    forget_events,
    keep_events,
    mark_offered,
    unoffered_events,
)
from penstock.contracts.errors import InvalidInput, Unavailable
from penstock.contracts.inbound import InboundEvent
from penstock.contracts.limits import EVENTS_PER_BATCH_MAX, KIB, LOOK_BACK_MAX
from penstock.postgres.errors import DATABASE_AWAY
from penstock.service import end
from penstock.telemetry import metrics

BACKLOG_EVENTS_MAX = 10_000  # held in memory until they are offered; what does not fit the sweep finds
OFFERED_EVENTS_MAX = 500  # at once
BACKLOG_BYTES_MAX = 16 * 1024 * KIB  # of their data

log = structlog.get_logger(__name__)

Offer = Callable[[Sequence[InboundEvent]], Awaitable[None]]


async def to_nobody(events: Sequence[InboundEvent]) -> None:
    """The offer of an orchestrator in which nothing waits for events."""


class Offers:
    """Several that are offered the same events, one after the other. Who repeats the offer repeats it to all."""

    def __init__(self, *offers: Offer) -> None:
        self._offers = offers

    async def __call__(self, events: Sequence[InboundEvent]) -> None:
        for offer in self._offers:
            await offer(events)


class Inbox:
    """Takes events and hands new ones to `offer`, in order. `run` must be running for anything to be answered."""

    def __init__(self, pool: asyncpg.Pool, offer: Offer = to_nobody) -> None:
        self._pool = pool
        self._offer = offer
        self._keeping: Batcher[InboundEvent, Receipt] = Batcher(self._keep, items_max=EVENTS_PER_BATCH_MAX)
        self._new: deque[InboundEvent] = deque()
        self._new_bytes = 0
        self._arrived = asyncio.Event()
        self._offering = asyncio.Lock()  # what is being offered is not left lying, however long it takes

    async def run(self) -> None:
        """Work until cancelled."""
        loops = [asyncio.create_task(loop) for loop in (self._keeping.run(), self._offer_what_is_new())]
        try:
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()  # a loop that ended by itself ended by an error
        finally:
            await end(*loops)

    async def take(self, events: Sequence[InboundEvent]) -> list[Receipt | Exception]:
        """See inbox_port.Inbox."""
        return await self._keeping.ask(events)

    async def repeat(self) -> None:
        """Offer again what was left lying, by whichever orchestrator."""
        while not self._new:
            async with self._offering:
                events = await unoffered_events(self._pool)
                if events:
                    log.info("inbox.offered_again", events=len(events))
                    metrics.SWEEP_REPAIRED.labels("InboundEvent").inc(len(events))
                    await self._offer_all(events)
            if len(events) < UNOFFERED_ROWS_MAX:
                return

    async def forget(self) -> None:
        """Delete what no node may look back to any more."""
        while await forget_events(self._pool, older_than=LOOK_BACK_MAX) == FORGOTTEN_ROWS_MAX:
            pass

    async def _keep(self, events: list[InboundEvent]) -> list[Receipt | Exception]:
        try:
            new = await keep_events(self._pool, events)
        except ABOUT_DATA as error:
            return await self._bisect(events, error)
        except DATABASE_AWAY as error:
            raise Unavailable(f"the database does not answer: {error!r}") from error
        self._remember(new)
        receipts = _receipts(events, new)
        for receipt, count in Counter(receipts).items():
            metrics.INBOX_EVENTS.labels(receipt).inc(count)
        return list(receipts)

    def _remember(self, new: Iterable[InboundEvent]) -> None:
        for event in new:
            if len(self._new) >= BACKLOG_EVENTS_MAX or self._new_bytes >= BACKLOG_BYTES_MAX:
                break
            self._new.append(event)
            self._new_bytes += len(event.data)
        self._arrived.set()

    async def _bisect(self, events: list[InboundEvent], error: Exception) -> list[Receipt | Exception]:
        """The database refused the list: find the event that it does not like; its neighbours are kept."""
        if len(events) == 1:
            log.warning("inbox.refused", error=repr(error))
            return [InvalidInput(f"the database cannot hold this event: {error}")]
        middle = len(events) // 2
        return await self._keep(events[:middle]) + await self._keep(events[middle:])

    async def _offer_what_is_new(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._new:
                batch = [self._new.popleft() for _ in range(min(OFFERED_EVENTS_MAX, len(self._new)))]
                self._new_bytes -= sum(len(event.data) for event in batch)
                try:
                    async with self._offering:
                        await self._offer_all(batch)
                except (Unavailable, *DATABASE_AWAY) as error:
                    log.warning("inbox.offer_postponed", events=len(batch), reason=repr(error))

    async def _offer_all(self, events: list[InboundEvent]) -> None:
        """Raises what says that the database is away. An event that breaks its offer is offered once, alone."""
        try:
            await self._offer(events)
        except (Unavailable, *DATABASE_AWAY):
            raise
        except Exception:
            if len(events) > 1:
                middle = len(events) // 2
                await self._offer_all(events[:middle])
                await self._offer_all(events[middle:])
                return
            log.exception("inbox.offer_failed", project=events[0].project, type=events[0].type)
        await mark_offered(self._pool, [event.seq for event in events])


def _receipts(events: Sequence[InboundEvent], new: Sequence[InboundEvent]) -> list[Receipt]:
    """The first of a new key in the list is the one that was accepted."""
    unanswered = {event.key for event in new}
    receipts = []
    for event in events:
        receipts.append(Receipt.ACCEPTED if event.key in unanswered else Receipt.REPEATED)
        unanswered.discard(event.key)
    return receipts
