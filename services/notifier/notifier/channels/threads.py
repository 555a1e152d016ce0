"""Threads for the libraries that block. Few: a target that does not answer holds one until its time is over."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from notifier.channels.port import Told, failed

THREADS_MAX = 16
TOTAL_S = 20.0  # of one try; the sockets inside have shorter times of their own


class Threads:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="channel")

    async def run(self, tell: Callable[[], Told]) -> Told:
        """What `tell` returns; a late one is left to itself. Its errors are the target's, or ours to mend."""
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(self._pool, context.run, tell)
        try:
            async with asyncio.timeout(TOTAL_S):
                return await future
        except TimeoutError:
            return failed(f"no answer within {TOTAL_S:g} s")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
