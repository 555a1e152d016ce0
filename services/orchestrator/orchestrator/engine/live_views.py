"""Live views: what happens in one run, or in a project, from some place on; each yields lists of frames."""

import asyncio
from collections.abc import Awaitable, Callable

from orchestrator.engine.frames import Backlog, Frame, InOrder
from penstock.bus.position import Position
from penstock.contracts.value import Value

EVENTS_MAX = 200  # read from the database at once
OVERTAKEN_S_MAX = 0.1  # how long an event may be late that another orchestrator publishes; then it is read


class StoredEvents(Value, frozen=True):
    """What a run's timeline has beyond some event. `is_last`: the run has ended, and this is the end."""

    frames: tuple[Frame, ...]
    is_last: bool


class StoredFrames(Value, frozen=True):
    """What the stream still has beyond some position; `reached` is how far was looked."""

    frames: tuple[Frame, ...]
    reached: Position
    is_last: bool


class RunView:
    """A run's events by number, each once. The database is asked at the start, at the end, and for what is missing."""

    def __init__(
        self,
        backlog: Backlog,
        read: Callable[[int], Awaitable[StoredEvents]],
        *,
        after: int,
    ) -> None:
        self.backlog = backlog
        self._read = read
        self._order = InOrder(after=after)
        self._must_read = True
        self._ended = False

    @property
    def last(self) -> int:
        return self._order.last

    @property
    def position(self) -> None:
        return None

    @property
    def fell_behind(self) -> asyncio.Event:
        return self.backlog.fell_behind

    async def next(self) -> tuple[Frame, ...] | None:
        """The next frames; None when the run has ended and all is told."""
        frames: tuple[Frame, ...] = ()
        while not frames:
            if self._ended:
                return None
            frames = await (self._stored() if self._must_read else self._arrived())
        return frames

    async def _stored(self) -> tuple[Frame, ...]:
        self.backlog.begin_look()
        stored = await self._read(self._order.last)
        self._must_read = not self.backlog.end_look(saw_all=len(stored.frames) < EVENTS_MAX)
        self._ended = stored.is_last
        return self._order.take_stored(stored.frames)

    async def _arrived(self) -> tuple[Frame, ...]:
        arrived = await self.backlog.take(timeout_s=OVERTAKEN_S_MAX if self._order.has_gap else None)
        if arrived is None:
            self._must_read = True
            return ()
        frames = self._order.take(arrived)
        self._must_read = any(frame.may_end_run for frame in frames)
        return frames


class ProjectView:
    """A project's events as the stream has them: each at least once, a run's own mostly in order."""

    def __init__(
        self,
        backlog: Backlog,
        read: Callable[[Position], Awaitable[StoredFrames]],
        *,
        now: Position,
        after: Position | None,
    ) -> None:
        self.backlog = backlog
        self._read = read
        self._position = now if after is None else _from(after, now)
        self._must_read = not backlog.end_look(saw_all=after is None)

    @property
    def position(self) -> Position:
        return self._position

    @property
    def fell_behind(self) -> asyncio.Event:
        return self.backlog.fell_behind

    async def next(self) -> tuple[Frame, ...] | None:
        """The next frames. A project has no end, so never None."""
        frames: tuple[Frame, ...] = ()
        while not frames:
            frames = await (self._stored() if self._must_read else self._arrived())
        return frames

    async def _stored(self) -> tuple[Frame, ...]:
        self.backlog.begin_look()
        stored = await self._read(self._position)
        self._position = stored.reached
        self._must_read = not self.backlog.end_look(saw_all=stored.is_last)
        return stored.frames

    async def _arrived(self) -> tuple[Frame, ...]:
        frames = tuple(frame for frame in await self.backlog.take() or () if self._is_new(frame.position))
        if frames and frames[-1].position is not None:
            self._position = frames[-1].position
        return frames

    def _is_new(self, position: Position | None) -> bool:
        if position is None:
            return False
        return position.stream != self._position.stream or position.sequence > self._position.sequence


def _from(after: Position, now: Position) -> Position:
    """Where to go on. A stream that was lost is another one now: all that the new one has is news. One that lost its
    end with a disk takes the same numbers again."""
    if after.stream != now.stream:
        return Position(now.stream, 0)
    return after if after.sequence <= now.sequence else now
