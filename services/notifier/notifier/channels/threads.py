"""Threads for the libraries that block. A target that never ends its answer holds its own few, and nobody else's."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from weakref import WeakValueDictionary

from notifier.channels.port import Told, failed

THREADS_MAX = 64
TARGET_THREADS_MAX = 2  # also of those that were given up and have not ended
TOTAL_S = (
    20.0  # of one try; the sockets inside have shorter times of their own, but for each part of an answer
)


class Threads:
    def __init__(self) -> None:
        self._all = asyncio.Semaphore(THREADS_MAX)
        self._of = WeakValueDictionary[Hashable, asyncio.Semaphore]()  # as long as somebody waits or runs

    async def run(self, tell: Callable[[], Told], *, target: Hashable) -> Told:
        """What `tell` returns; a late one is left to itself. Its errors are the target's, or ours to mend."""
        own = self._of.setdefault(target, asyncio.Semaphore(TARGET_THREADS_MAX))
        try:
            async with asyncio.timeout(TOTAL_S):
                await own.acquire()
                try:
                    await self._all.acquire()
                except asyncio.CancelledError:
                    own.release()
                    raise
                return await self._started(tell, own)
        except TimeoutError:
            return failed(f"no answer within {TOTAL_S:g} s")

    def _started(self, tell: Callable[[], Told], own: asyncio.Semaphore) -> "asyncio.Future[Told]":
        """In a thread that the end of the process does not wait for."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Told] = loop.create_future()
        context = contextvars.copy_context()

        def ended(told: Told | None, error: Exception | None) -> None:
            own.release()
            self._all.release()
            if future.done():
                return  # given up
            if error is not None:
                future.set_exception(error)
            elif told is not None:
                future.set_result(told)

        def work() -> None:
            told, failure = None, None
            try:
                told = context.run(tell)
            except Exception as error:
                failure = error
            with suppress(RuntimeError):  # the loop has ended before
                loop.call_soon_threadsafe(ended, told, failure)

        threading.Thread(target=work, name="channel", daemon=True).start()
        return future
