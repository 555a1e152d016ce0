"""Frames of live views: how one looks, how many may wait for a reader, and in which order a run's go out."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from orchestrator.domain.run import RUN_ENDED
from penstock.bus.position import Position
from penstock.contracts.value import Value

FRAMES_WAITING_MAX = 1_000  # of one reader: seconds of a busy run, or a burst of a project

_ENDS = frozenset(f"run.{state}" for state in RUN_ENDED)


class Frame(Value, frozen=True):
    """One event as its readers get it. `at` is its commit; `is_live`: it came from the feed, right after.

    `position` is its place in the stream, for those who watch a project.
    """

    run: UUID
    seq: int
    workflow: str
    kind: str
    at: datetime
    text: str
    is_live: bool = False
    position: Position | None = None

    @property
    def may_end_run(self) -> bool:
        """May: a run that ended can go on."""
        return self.kind in _ENDS


class Backlog:
    """What waits for one reader. It never grows beyond its limit: then what waited is forgotten, and noted as missed.

    A reader that catches up takes from where everything is kept, at its own pace, and may miss what comes meanwhile.
    One that is live has fallen behind then.
    """

    def __init__(self, wants: Callable[[Frame], bool], *, frames_max: int = FRAMES_WAITING_MAX) -> None:
        self._wants = wants
        self._frames_max = frames_max
        self._frames: list[Frame] = []
        self._something = asyncio.Event()
        self._must_look = False
        self._is_live = False
        self._missed = False
        self.fell_behind = asyncio.Event()

    def put(self, frame: Frame) -> None:
        if not self._wants(frame):
            return
        if len(self._frames) >= self._frames_max:
            self._frames.clear()
            self._missed = True
            if self._is_live:
                self.fell_behind.set()
        self._frames.append(frame)
        self._something.set()

    def look(self) -> None:
        """What waits may not be all there is: the reader should look where everything is kept."""
        self._must_look = True
        self._something.set()

    def begin_look(self) -> None:
        """The reader is about to look: what it will see need not wait any longer."""
        self._frames.clear()
        self._must_look = self._is_live = self._missed = False
        self._something.clear()

    def end_look(self, *, saw_all: bool) -> bool:
        """Whether the reader is live now: it has seen all there was, and what came since waits here."""
        self._is_live = saw_all and not self._missed
        return self._is_live

    async def take(self, *, timeout_s: float | None = None) -> list[Frame] | None:
        """What waits, as soon as there is something; None when the reader should look, or time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._something.wait()
        except TimeoutError:
            return None
        self._something.clear()
        if self._must_look:
            return None
        frames, self._frames = self._frames, []
        return frames


class InOrder:
    """Puts a run's events in order: orchestrators repeat some and overtake each other."""

    def __init__(self, *, after: int) -> None:
        self.last = after  # everything up to here has gone out
        self._early: dict[int, Frame] = {}

    @property
    def has_gap(self) -> bool:
        return bool(self._early)

    def take(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        """What can go out now that these are here."""
        self._early.update((frame.seq, frame) for frame in frames if frame.seq > self.last)
        ready: list[Frame] = []
        while (frame := self._early.pop(self.last + 1, None)) is not None:
            ready.append(frame)
            self.last += 1
        return tuple(ready)

    def take_stored(self, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """The same of what the database has beyond `last`. It is never behind the bus, so nothing is early after it."""
        self._early.clear()
        if frames:
            self.last = frames[-1].seq
        return frames
