"""Door 3: time passes. Sweeps every second, whatever the ones before met."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from penstock.contracts.errors import Unavailable

SWEEP_EVERY_S = 1.0
FORGET_EVERY_S = 60.0  # what is kept for days need not go to the second

log = structlog.get_logger(__name__)


async def run_clock(sweep: Callable[[], Awaitable[None]], *, every_s: float = SWEEP_EVERY_S) -> None:
    """Sweep until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await sweep()
        except (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("clock.sweep_failed", reason=repr(error))
        except Exception:
            log.exception("clock.sweep_failed")
