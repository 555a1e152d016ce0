"""Opens live views (`Live`): gives each its place, its feed, and its way to what was."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
import structlog

from orchestrator.engine.feed import Feed, among, frame_of, placed
from orchestrator.engine.frames import Backlog, Frame
from orchestrator.engine.live_port import Watched
from orchestrator.engine.live_views import EVENTS_MAX, ProjectView, RunView, StoredEvents, StoredFrames
from orchestrator.engine.places import Places
from orchestrator.engine.span_contexts import HANDED_ON, SpanContexts
from orchestrator.engine.telling import cloud_event
from orchestrator.store.live import TimelineHead, events_after, run_versions, timeline_head
from penstock.bus.history import History
from penstock.bus.position import Position
from penstock.contracts import subjects
from penstock.contracts.errors import NotFound, Unavailable
from penstock.contracts.timeline import TimelineEvent
from penstock.contracts.wire import encode
from penstock.postgres.errors import DATABASE_AWAY

LOOK_EVERY_S = 2.0  # how late the database is asked for what the bus did not bring
READS_MAX = 2  # at once: a thousand viewers that come back must leave the engine its connections

log = structlog.get_logger(__name__)


class LiveViews:
    """All that are open in this process."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        feed: Feed,
        history: History,
        places: Places,
        contexts: SpanContexts = HANDED_ON,
    ) -> None:
        self._pool = pool
        self._feed = feed
        self._history = history
        self._places = places
        self._contexts = contexts
        self._reads = asyncio.Semaphore(READS_MAX)
        self._of_run: dict[UUID, set[RunView]] = {}
        self._reached: dict[UUID, int] = {}  # how far each run was when it was looked at last

    @asynccontextmanager
    async def run(self, project: str, run: UUID, *, after: int) -> AsyncIterator[RunView]:
        self._places.refuse_when_full()
        head = await self._head(run)
        if head.project != project:
            raise NotFound("run", str(run))
        with self._places.one(project, head.workflow):
            backlog = Backlog(_everything)

            async def read(seq: int) -> StoredEvents:
                return await self._events(run, after=seq)

            view = RunView(backlog, read, after=after)
            with self._feed.to_run(run, backlog), among(self._of_run, run, view):
                with suppress(Unavailable):  # without the bus the database tells, a little later
                    await self._feed.began()
                yield view

    @asynccontextmanager
    async def project(self, watched: Watched, *, after: Position | None) -> AsyncIterator[ProjectView]:
        with self._places.one(watched.project, watched.workflow):
            wants = _wanted(watched)
            backlog = Backlog(wants)

            async def read(position: Position) -> StoredFrames:
                return await self._frames(watched, wants, after=position)

            with self._feed.to_project(watched.project, backlog):
                now = await self._feed.began()
                yield ProjectView(backlog, read, now=now, after=after)

    async def look_for_laggards(self) -> None:
        """Views that have not reached by now what their run had reached the last time are told to look."""
        for run, version in self._reached.items():
            for view in self._of_run.get(run, ()):
                if view.last < version:
                    view.backlog.look()
        self._reached = await run_versions(self._pool, self._of_run) if self._of_run else {}

    async def _head(self, run: UUID) -> TimelineHead:
        try:
            async with self._reads:
                head = await timeline_head(self._pool, run)
        except DATABASE_AWAY as error:
            raise Unavailable("the database does not answer; try again in a moment") from error
        if head is None:
            raise NotFound("run", str(run))
        return head

    async def _events(self, run: UUID, *, after: int) -> StoredEvents:
        """The head first, so that an end which it knows is among the events that are read then."""
        head = await self._head(run)
        try:
            async with self._reads:
                events = await events_after(self._pool, run, after=after, limit=EVENTS_MAX)
        except DATABASE_AWAY as error:
            raise Unavailable("the database does not answer; try again in a moment") from error
        last = events[-1].seq if events else after
        above = self._contexts.of_stored_run(run, head.traceparent)
        frames = tuple(_frame(head, event, above) for event in events)
        return StoredEvents(frames, is_last=head.ended and last >= head.version)

    async def _frames(
        self, watched: Watched, wants: Callable[[Frame], bool], *, after: Position
    ) -> StoredFrames:
        page = await self._history.after(after, subject=subjects.events_of(watched.project, watched.workflow))
        found = ((frame_of(stored), stored.position) for stored in page.messages)
        frames = tuple(placed(frame, place) for frame, place in found if frame is not None and wants(frame))
        reached = page.messages[-1].position if page.messages else after
        return StoredFrames(frames, reached, page.is_last)


def _frame(head: TimelineHead, event: TimelineEvent, traceparent: str | None) -> Frame:
    told = cloud_event(event, project=head.project, workflow=head.workflow, traceparent=traceparent)
    return Frame(event.run, event.seq, head.workflow, event.kind, event.at, encode(told).decode())


def _everything(_: Frame) -> bool:
    return True


def _wanted(watched: Watched) -> Callable[[Frame], bool]:
    def wants(frame: Frame) -> bool:
        return (watched.workflow is None or frame.workflow == watched.workflow) and (
            not watched.kinds or frame.kind in watched.kinds
        )

    return wants
