"""Waiting for a run to move on: those who wait are told right after the commit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

POLL_S = 1.0  # another orchestrator may have moved the run: then the database tells


@dataclass(frozen=True)
class Progress:
    """How far a run is, as committed."""

    version: int
    ended: bool

    def satisfies(self, after: int) -> bool:
        return self.ended or self.version > after


@dataclass(frozen=True, eq=False)
class _Waiter:
    after: int
    told: "asyncio.Future[Progress]"


class Watch:
    """Run → those who wait for it."""

    def __init__(self, look: Callable[[UUID], Awaitable[Progress | None]]) -> None:
        self._look = look
        self._waiters: dict[UUID, set[_Waiter]] = {}

    def tell(self, run: UUID, progress: Progress) -> None:
        """The run was committed at `progress`."""
        for waiter in self._waiters.get(run, ()):
            if progress.satisfies(waiter.after) and not waiter.told.done():
                waiter.told.set_result(progress)

    async def wait(self, run: UUID, *, after: int, timeout_s: float) -> Progress | None:
        """Until the run is past `after` or has ended, or the time is over; None when there is no such run."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(after, loop.create_future())
        self._waiters.setdefault(run, set()).add(waiter)
        try:
            return await self._wait(run, waiter, loop.time() + timeout_s)
        finally:
            self._leave(run, waiter)

    async def _wait(self, run: UUID, waiter: _Waiter, until: float) -> Progress | None:
        loop = asyncio.get_running_loop()
        while True:
            progress = await self._look(run)
            left = until - loop.time()
            if progress is None or progress.satisfies(waiter.after) or left <= 0:
                return progress
            await asyncio.wait([waiter.told], timeout=min(POLL_S, left))
            if waiter.told.done():
                return waiter.told.result()

    def _leave(self, run: UUID, waiter: _Waiter) -> None:
        waiters = self._waiters[run]
        waiters.discard(waiter)
        if not waiters:
            del self._waiters[run]
