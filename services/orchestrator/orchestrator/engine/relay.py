"""The relay: puts what was committed on the bus, in order and pipelined, and notes how far each run is out.

The fast way is from memory, right after the commit. Whatever fails or is lost with the process stays in the
timeline (`published < version`), and the clock sends it again through `repeat`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import nats.errors
import structlog

from orchestrator.domain.answers import answers_of
from orchestrator.domain.decision import StopAttempt
from orchestrator.domain.run import Run
from orchestrator.engine.committed import Committed
from orchestrator.engine.dispatch import Dispatcher, Offer
from orchestrator.engine.span_contexts import HANDED_ON, SpanContexts
from orchestrator.engine.telling import cloud_event
from orchestrator.store.outbox import mark_published
from penstock.bus.connection import Bus
from penstock.bus.publisher import Message, NotAcknowledged, Publisher, Sent
from penstock.bus.streams import declare_streams
from penstock.contracts import subjects
from penstock.contracts.messages import CancelAttempt, StartNode
from penstock.contracts.timeline import TimelineEvent
from penstock.contracts.wire import encode, raw
from penstock.service import end
from penstock.telemetry import metrics

MARK_EVERY_S = 0.2  # a crash repeats what was published since; more often would cost the hot path
IN_FLIGHT_MAX = 64  # lists on their way; beyond that the relay waits for the bus

DECLARE_AGAIN_S = 0.2
TELL_AFTER_S = 0.01  # a listener does not notice; a run of single nodes gets a third faster
QUEUE_MAX = 10_000  # commits that wait for the bus in memory; the oldest then wait in the timeline alone

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Flight:
    """Lists on their way together. `reached`: run → the last event that they carry. `since`: when the oldest
    commit among them was handed to the relay."""

    reached: dict[UUID, int]
    since: float
    landed: bool = False
    lost: bool = False


@dataclass
class Relay:
    """Publishes commits in the order in which they are sent: offers at once, for a runner waits for them, and
    the timeline a moment later, for then one list carries what several commits have to tell."""

    bus: Bus
    publisher: Publisher
    pool: asyncpg.Pool
    contexts: SpanContexts = HANDED_ON
    _queue: deque[Committed] = field(default_factory=deque)
    _untold: list[Committed] = field(default_factory=list)  # their offers are out, their events not yet
    _offered: list[Sent] = field(default_factory=list)
    _something_to_tell: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _flights: deque[_Flight] = field(default_factory=deque)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT_MAX))
    _published: dict[UUID, int] = field(default_factory=dict)
    _broken: set[UUID] = field(default_factory=set)  # an event was lost: only `repeat` may mark these
    _queued_since: float | None = None  # time.monotonic of the oldest commit there
    _untold_since: float | None = None
    _declared: int = -1  # the connection epoch in which the streams were declared
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def lag_s(self) -> float:
        """For how long the oldest commit here has waited for the bus."""
        moments = [moment for moment in (self._queued_since, self._untold_since) if moment is not None]
        moments += [flight.since for flight in self._flights if not flight.landed]
        return time.monotonic() - min(moments) if moments else 0.0

    def connect(self, dispatcher: Dispatcher) -> None:
        """Tell who decides which offers go out when; it asks the bus through us, so it could not be made first."""
        self._dispatcher = dispatcher

    def send(self, commits: Sequence[Committed]) -> None:
        """Publish these commits soon; never blocks."""
        self._queue.extend(commits)
        self._queued_since = self._queued_since or time.monotonic()
        while len(self._queue) > QUEUE_MAX:
            self._broken.add(self._queue.popleft().run.id)
        self._arrived.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        marker = asyncio.create_task(self._mark_forever())
        teller = asyncio.create_task(self._tell_forever())
        dispatcher = asyncio.create_task(self._dispatcher.run(self._arrived.set))
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                await self._offer()
        finally:
            await end(marker, teller, dispatcher)

    async def _offer(self) -> None:
        commits = list(self._queue)
        self._queue.clear()
        self._untold_since, self._queued_since = self._untold_since or self._queued_since, None
        await self._have_streams()
        offers = await self._dispatcher.offers(commits)
        if offers:
            try:
                sent = await self.publisher.send([offer_message(offer, self.contexts) for offer in offers])
                if commits:  # else no events will wait for its acknowledgement
                    self._offered.append(sent)
            except (nats.errors.Error, OSError) as error:
                log.warning("relay.offers_lost", offers=len(offers), reason=repr(error))
                self._broken.update(offer.run.id for offer in offers)
        if not commits:
            return
        self._untold.extend(commits)
        self._something_to_tell.set()
        await self._hint(commits)

    async def _tell_forever(self) -> None:
        while True:
            await self._something_to_tell.wait()
            self._something_to_tell.clear()
            await asyncio.sleep(TELL_AFTER_S)
            await self._tell()

    async def _tell(self) -> None:
        """Publish the events of the commits whose offers are out."""
        if not self._untold:
            return
        await self._room.acquire()
        await self._have_streams()
        commits, self._untold = self._untold, []
        offered, self._offered = self._offered, []
        since, self._untold_since = self._untold_since or time.monotonic(), None
        flight = _Flight({commit.run.id: commit.reached for commit in commits}, since)
        self._flights.append(flight)
        events = [message for commit in commits for message in self._told(commit)]
        try:
            sent = await self.publisher.send(events)
        except (nats.errors.Error, OSError) as error:
            self._land(flight, lost=repr(error))
            return
        task = asyncio.create_task(self._fly(flight, [*offered, sent]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _have_streams(self) -> None:
        """After a reconnect the server may be a new one, with an empty disk: declare before anything is sent."""
        while self._declared != self.bus.epoch:
            epoch = self.bus.epoch
            try:
                await declare_streams(self.bus.client.jetstream())
            except (nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("relay.declare_failed", reason=repr(error))
                await asyncio.sleep(DECLARE_AGAIN_S)
            else:
                self._declared = epoch

    async def _fly(self, flight: _Flight, lists: list[Sent]) -> None:
        try:
            for sent in lists:
                await self.publisher.landed(sent)
                metrics.RELAY_MESSAGES.inc(sent.total)
        except NotAcknowledged as error:
            self._land(flight, lost=error.reason)
        else:
            self._land(flight)

    def _land(self, flight: _Flight, *, lost: str | None = None) -> None:
        if lost is not None:
            log.warning("relay.lost", runs=len(flight.reached), reason=lost)
        else:
            metrics.RELAY_DELAY_SECONDS.observe(time.monotonic() - flight.since)
        flight.landed, flight.lost = True, lost is not None
        self._room.release()
        self._settle()

    def _settle(self) -> None:
        """Take the flights that landed, in the order of their start: a run's events count only without a gap."""
        while self._flights and self._flights[0].landed:
            flight = self._flights.popleft()
            if flight.lost:
                self._broken |= flight.reached.keys()
            for run, seq in flight.reached.items():
                if run not in self._broken:
                    self._published[run] = max(seq, self._published.get(run, 0))

    async def _hint(self, commits: Sequence[Committed]) -> None:
        """Tell runners at once what to stop; the renewal's answer says it too."""
        for commit in commits:
            for command in commit.commands:
                if isinstance(command, StopAttempt):
                    hint = CancelAttempt(commit.run.id, command.node, command.attempt, command.token)
                    await self.bus.client.publish(subjects.runner_cancel(command.runner), encode(hint))

    async def unclaimed(self, pool: str) -> int | None:
        """How many offers of a pool nobody has claimed yet, as the bus knows it; None when it cannot tell."""
        try:
            consumer = subjects.ready_consumer(pool)
            info = await self.bus.client.jetstream().consumer_info(subjects.STREAM_NODES, consumer, 1.0)
        except (nats.errors.Error, TimeoutError, OSError):
            return None
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    def _told(self, commit: Committed) -> list[Message]:
        traceparent = self.contexts.of_run(commit.run)
        return [event_message(commit.run, event, traceparent) for event in commit.events]

    async def repeat(self, commit: Committed) -> None:
        """Publish again what a run has not on the bus; raises NotAcknowledged."""
        offers = await self._dispatcher.offers([commit])
        repeated = [offer_message(offer, self.contexts) for offer in offers]
        await self.publisher.publish([*repeated, *self._told(commit)])
        self._broken.discard(commit.run.id)
        self._published[commit.run.id] = max(commit.reached, self._published.get(commit.run.id, 0))

    async def drain(self) -> None:
        """Until nothing is on its way any more and all of it is noted; a busy run may take a second look."""
        self._dispatcher.open()
        self._arrived.set()
        while self._queue or self._untold or self._flights or self._published:
            await asyncio.sleep(MARK_EVERY_S / 10)
            await self.mark()

    async def _mark_forever(self) -> None:
        while True:
            await asyncio.sleep(MARK_EVERY_S)
            try:
                await self.mark()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("relay.mark_failed", reason=repr(error))

    async def mark(self) -> None:
        """Note in the database how far each run is published."""
        if not self._published:
            return
        noted = await mark_published(self.pool, self._published)
        for run, seq in noted.items():
            if self._published.get(run) == seq:
                del self._published[run]


def offer_message(offer: Offer, contexts: SpanContexts) -> Message:
    """The message that offers an attempt to the runners of its pool."""
    run, node = offer.run, offer.run.nodes[offer.node]
    work = run.plan.work(offer.node)
    assert work.agent is not None, "only an agent's attempt is offered"
    order = StartNode(
        run=run.id,
        node=offer.node,
        attempt=node.attempt,
        project=run.project,
        workflow=run.plan.definition.name,
        agent=work.agent,
        input=raw(node.input or b"null"),
        timeout_s=work.timeout.total_seconds(),
        publication=node.publication,
        traceparent=contexts.of_attempt(run, offer.node, node.attempt),
        answers=answers_of(node.answers),
    )
    return subjects.ready(work.pool, work.agent), encode(order)


def event_message(run: Run, event: TimelineEvent, traceparent: str | None) -> Message:
    """The event as other systems see it."""
    workflow = run.plan.definition.name
    cloud = cloud_event(event, project=run.project, workflow=workflow, traceparent=traceparent)
    return subjects.event(run.project, workflow, event.kind), encode(cloud)
