"""The feed of live views: the events of all orchestrators, taken from the bus once and spread to those who watch.

It follows the stream only while somebody watches.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec
import structlog

from orchestrator.engine.frames import Backlog, Frame
from penstock.bus.connection import Bus
from penstock.bus.follow import Follower, Stored
from penstock.bus.position import Position
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable
from penstock.contracts.value import Value
from penstock.contracts.wire import Undecodable, decode

BEGIN_S_MAX = 2.0  # how long a view waits for the bus
# Spread before others have their turn: about 20 ms. A burst before a thousand readers is a matter of seconds.
FRAMES_IN_TURN = 2_000

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger(__name__)


class _Told(Value, frozen=True):
    """What a view needs of an event; the rest goes through as it is."""

    id: str
    time: datetime


class Feed:
    """Spreads events to the backlogs of runs and projects."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._of_run: dict[UUID, set[Backlog]] = {}
        self._of_project: dict[str, set[Backlog]] = {}
        self._readers = 0
        self._in_turn = 0
        self._follower: Follower | None = None
        self._task: asyncio.Task[None] | None = None
        bus.on_reconnect(self._on_reconnect)

    @contextmanager
    def to_run(self, run: UUID, backlog: Backlog) -> Iterator[None]:
        """Feed `backlog` with the events of a run."""
        with self._joined(self._of_run, run, backlog):
            yield

    @contextmanager
    def to_project(self, project: str, backlog: Backlog) -> Iterator[None]:
        """Feed `backlog` with the events of a project."""
        with self._joined(self._of_project, project, backlog):
            yield

    async def began(self) -> Position:
        """From where on events come; raises Unavailable when the bus is away. Somebody must have joined."""
        assert self._follower is not None, "nobody has joined"
        follower = self._follower
        try:
            async with asyncio.timeout(BEGIN_S_MAX):
                await follower.began.wait()
        except TimeoutError as error:
            raise Unavailable("the bus does not answer; try again in a moment") from error
        assert follower.position is not None, "it began somewhere"
        return follower.position

    @contextmanager
    def _joined(self, feeds: dict[K, set[Backlog]], key: K, backlog: Backlog) -> Iterator[None]:
        self._readers += 1
        if self._readers == 1:
            self._start()
        try:
            with among(feeds, key, backlog):
                yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._stop()

    def _start(self) -> None:
        self._follower = Follower(
            self._bus,
            stream=subjects.STREAM_EVENTS,
            on_message=self._spread,
            on_lost=self._look,
        )
        self._task = asyncio.create_task(self._follower.run())
        self._task.add_done_callback(_report)

    def _stop(self) -> None:
        assert self._task is not None, "it was started for the first reader"
        self._task.cancel()
        self._task = self._follower = None

    def _on_reconnect(self) -> None:
        if self._follower is not None:
            self._follower.begin_again()

    def _look(self) -> None:
        """Events may have been lost: runs have them in the database."""
        for backlogs in self._of_run.values():
            for backlog in backlogs:
                backlog.look()

    async def _spread(self, stored: Stored) -> None:
        self._in_turn += self._put(stored)
        if self._in_turn >= FRAMES_IN_TURN:
            self._in_turn = 0
            await asyncio.sleep(0)

    def _put(self, stored: Stored) -> int:
        """How many backlogs have got it."""
        project, _, _ = subjects.project_workflow_and_kind(stored.subject)
        of_project = self._of_project.get(project)
        if not of_project and not self._of_run:
            return 0
        frame = frame_of(stored, is_live=True)
        if frame is None:
            return 0
        of_run = self._of_run.get(frame.run, ())
        for backlog in of_run:
            backlog.put(frame)
        if of_project:
            frame = placed(frame, stored.position)
            for backlog in of_project:
                backlog.put(frame)
        return len(of_run) + len(of_project or ())


@contextmanager
def among(sets: dict[K, set[V]], key: K, member: V) -> Iterator[None]:
    """Put `member` into the set of `key` for as long as this lasts; there are no empty sets."""
    sets.setdefault(key, set()).add(member)
    try:
        yield
    finally:
        sets[key].discard(member)
        if not sets[key]:
            del sets[key]


def frame_of(stored: Stored, *, is_live: bool = False) -> Frame | None:
    """An event of the bus as a frame; None for what is none of ours."""
    try:
        _, workflow, kind = subjects.project_workflow_and_kind(stored.subject)
        told = decode(stored.payload, _Told)
        run, _, seq = told.id.partition("/")
        return Frame(UUID(run), int(seq), workflow, kind, told.time, stored.payload.decode(), is_live)
    except (Undecodable, ValueError) as error:
        log.warning("feed.undecodable", subject=stored.subject, reason=str(error))
        return None


def placed(frame: Frame, position: Position) -> Frame:
    """The frame with its position, for a reader and in its text: an extension attribute, as CloudEvents has them."""
    text = f'{frame.text[:-1]},"position":"{position}"}}'
    return msgspec.structs.replace(frame, position=position, text=text)


def _report(task: asyncio.Task[None]) -> None:
    """Nobody waits for the follower: an error of ours must be seen."""
    if not task.cancelled() and task.exception() is not None:
        log.error("feed.failed", exc_info=task.exception())
