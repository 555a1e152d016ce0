"""Sends what is due: claims what there is room for, tells each, and notes together what ended meanwhile.

Several notifiers share the work by their claims. One that is killed leaves claims that lapse; what it had told and
not noted is told again, under the same id.
"""

import asyncio
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from notifier.deliveries.catalog import Catalog, Entry
from notifier.deliveries.endpoints import Endpoints
from notifier.deliveries.telling import Teller, Tried
from notifier.rules.schedule import next_delay
from notifier.store import deliveries as store
from notifier.store.deliveries import Claimed, Finished
from notifier.store.subscriptions import set_active
from penstock.contracts.errors import Unavailable
from penstock.service import end
from penstock.telemetry import metrics

LEASE = timedelta(seconds=60)  # twice what one try can take
LOOK_EVERY_S = 1.0  # for retries, and for what other notifiers left
NOTE_AGAIN_S = 1.0  # when the database is away
DRAIN_S = 5.0  # how long a stopping notifier waits for what it is telling
GONE = "the target answered 410 Gone"

log = structlog.get_logger(__name__)


class Sender:
    def __init__(self, pool: asyncpg.Pool, catalog: Catalog, teller: Teller) -> None:
        self._pool = pool
        self._catalog = catalog
        self._teller = teller
        self._endpoints = Endpoints()
        self._wake = asyncio.Event()
        self._ended: list[Finished] = []
        self._something_ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._known_at = 0.0
        self._more = True  # whether the last claim may have left something

    def wake(self) -> None:
        """There is something to send."""
        self._more = True
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; then `drain`."""
        noting = asyncio.create_task(self._note_forever())
        try:
            while True:
                await self._send_due()
                await self._pause()
        finally:
            await end(noting)

    async def drain(self) -> None:
        """Let what is on its way end, and note it."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._note()

    async def measure(self) -> None:
        """For the clock: how much waits, and which targets are left alone."""
        due, retry = await store.waiting(self._pool)
        metrics.DELIVERIES_WAITING.labels("due").set(due)
        metrics.DELIVERIES_WAITING.labels("retry").set(retry)
        self._endpoints.forget(self._catalog.entries())
        self._endpoints.measure()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._wake.wait()
            self._wake.clear()
        except TimeoutError:
            self._more = True

    async def _send_due(self) -> None:
        if not self._more or self._endpoints.room_in_all <= 0:
            return
        self._more = False
        try:
            await self._know_subscriptions()
            room = self._endpoints.room(self._catalog.entries())
            if room:
                self._begin(await self._claim(room))
        except Unavailable as error:
            log.warning("deliveries.postponed", reason=repr(error))
        except Exception:  # ours to mend; the clock comes back to it
            log.exception("deliveries.failed")

    async def _know_subscriptions(self) -> None:
        """Not at each claim: who takes events knows them anyway, and a pause may take a moment elsewhere."""
        now = time.monotonic()
        if now - self._known_at >= LOOK_EVERY_S:
            await self._catalog.fresh()
            self._known_at = now

    async def _claim(self, room: dict[UUID, int]) -> list[Claimed]:
        total = self._endpoints.room_in_all
        claimed = await store.claim(self._pool, room, total_max=total, lease=LEASE)
        self._more = self._more or len(claimed) >= total
        return claimed

    def _begin(self, claimed: Iterable[Claimed]) -> None:
        for each in claimed:
            entry = self._catalog.get(each.subscription)
            if entry is None:
                continue  # deleted meanwhile, and its deliveries with it
            self._endpoints.began(entry)
            task = asyncio.create_task(self._tell(entry, each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, entry: Entry, claimed: Claimed) -> None:
        tried: Tried | None = None
        try:
            tried = await self._teller.tell(entry, claimed.event, id=f"msg_{claimed.id}")
            finished = _finished(claimed, tried)
            _measure(entry, finished, tried)
            self._ended.append(finished)
            self._something_ended.set()
            if tried.told.is_gone:
                await self._silence(entry)
        finally:
            if tried is None or tried.is_hopeless:
                self._endpoints.given_back(entry)
            else:
                self._endpoints.ended(entry, ok=tried.told.ok, asked=tried.told.asked)
            self.wake()

    async def _silence(self, entry: Entry) -> None:
        """A target that says that it is gone is not called again until somebody resumes its subscription."""
        try:
            await set_active(self._pool, entry.subscription.id, active=False, reason=GONE)
            await self._catalog.fresh()
        except Unavailable as error:
            log.warning("subscription.not_silenced", name=entry.subscription.name, reason=repr(error))

    async def _note_forever(self) -> None:
        while True:
            await self._something_ended.wait()
            self._something_ended.clear()
            await self._note()

    async def _note(self) -> None:
        """What ended while the former list was being written makes the next one."""
        ended, self._ended = self._ended, []
        if not ended:
            return
        try:
            await store.finish(self._pool, ended)
        except Unavailable as error:
            log.warning("deliveries.not_noted", deliveries=len(ended), reason=repr(error))
            self._ended = [*ended, *self._ended]
            await asyncio.sleep(NOTE_AGAIN_S)
            self._something_ended.set()
        except Exception:  # their claims lapse, and they are told again
            log.exception("deliveries.not_noted", deliveries=len(ended))


def _finished(claimed: Claimed, tried: Tried) -> Finished:
    told = tried.told
    again_after = None
    if not told.ok and not told.is_gone and not tried.is_hopeless:
        again_after = next_delay(failed=claimed.tries + 1, spread=random.random(), asked=told.asked)
    return Finished(
        id=claimed.id,
        number=claimed.number,
        at=tried.at,
        ok=told.ok,
        status=told.status,
        milliseconds=round(tried.seconds * 1000),
        answer=told.answer,
        error=told.error,
        again_after=again_after,
    )


def _measure(entry: Entry, finished: Finished, tried: Tried) -> None:
    channel = entry.subscription.rule.channel_kind
    outcome = {"delivered": "delivered", "waiting": "failed", "failed": "dropped"}[finished.state]
    metrics.DELIVERIES.labels(channel, outcome).inc()
    if finished.ok and tried.happened_at is not None:
        delay = (datetime.now(UTC) - tried.happened_at).total_seconds()
        metrics.DELIVERY_DELAY_SECONDS.labels(channel).observe(max(0.0, delay))
    if finished.state == "failed":
        log.warning(
            "delivery.given_up",
            subscription=entry.subscription.name,
            delivery=str(finished.id),
            error=finished.error,
        )
