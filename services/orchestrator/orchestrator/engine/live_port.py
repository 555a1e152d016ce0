"""What the door of live views asks for: a view of a run or of a project, open as long as somebody watches."""

from asyncio import Event
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from orchestrator.engine.frames import Frame
from penstock.bus.position import Position
from penstock.contracts.timeline import Kind
from penstock.contracts.value import Value


class Watched(Value, frozen=True, kw_only=True):
    """Which of a project's events to show: of any workflow and kind, unless some are named."""

    project: str
    workflow: str | None = None
    kinds: frozenset[Kind] = frozenset()


class View(Protocol):
    """One reader's view."""

    @property
    def position(self) -> Position | None:
        """Where a view of a project begins."""
        ...

    @property
    def fell_behind(self) -> Event:
        """More waits for the reader than may: it should be closed, and come back."""
        ...

    async def next(self) -> tuple[Frame, ...] | None:
        """The next frames to show, at least one; None at the end. Raises Unavailable."""
        ...


class Live(Protocol):
    """Opens views. Each raises Unavailable when there are too many, before anything else is done."""

    def run(self, project: str, run: UUID, *, after: int) -> AbstractAsyncContextManager[View]:
        """Raises NotFound."""
        ...

    def project(self, watched: Watched, *, after: Position | None) -> AbstractAsyncContextManager[View]:
        """From now on, or from a position. Raises Unavailable while the bus is away."""
        ...
