"""Door 3: time passes. Sweeps every second, a look at retention every minute, whatever the ones before met."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from penstock.contracts.errors import Unavailable

SWEEP_EVERY_S = 1.0
FORGET_EVERY_S = 60.0  # what is kept for days need not go to the second
RETENTION_EVERY_S = 60.0

log = structlog.get_logger(__name__)


async def run_clock(
    task: Callable[[], Awaitable[None]], *, every_s: float = SWEEP_EVERY_S, at_once: bool = False
) -> None:
    """Call `task` again and again until cancelled; the first time after a while, or `at_once`."""
    await asyncio.sleep(0.0 if at_once else every_s)
    while True:
        try:
            await task()
        except (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("clock.task_failed", task=type(task).__name__, reason=repr(error))
        except Exception:
            log.exception("clock.task_failed", task=type(task).__name__)
        await asyncio.sleep(every_s)
