"""Time passes, or something was told: a task is done again and again, whatever the one before met."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from penstock.contracts.errors import Unavailable

log = structlog.get_logger(__name__)


class Loop:
    """Calls `task` every `every_s` seconds, and at once when woken; the first time after a while, or `at_once`."""

    def __init__(self, task: Callable[[], Awaitable[None]], *, every_s: float, at_once: bool = False) -> None:
        self._task = task
        self._every_s = every_s
        self._woken = asyncio.Event()
        if at_once:
            self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._rest()
            try:
                await self._task()
            except (
                Unavailable,
                OSError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                TimeoutError,
            ) as error:
                log.warning("clock.task_failed", task=type(self._task).__name__, reason=repr(error))
            except Exception:
                log.exception("clock.task_failed", task=type(self._task).__name__)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._every_s):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()
