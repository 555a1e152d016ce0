"""What runners tell besides their work: who they are, their agents' logs and checkpoints; and dead letters."""

from collections.abc import Sequence

import asyncpg
import structlog
from msgspec import UNSET

from orchestrator.store.checkpoints import load_checkpoint, save_checkpoint, save_progress
from orchestrator.store.runners import offered_agents, save_dead_letters, save_hello, save_log
from penstock.contracts.messages import (
    CheckpointAnswer,
    CheckpointLoad,
    CheckpointSave,
    Hello,
    LogLines,
    Progress,
)
from penstock.contracts.wire import raw
from penstock.telemetry import metrics

ABOUT_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)  # it would be refused again

log = structlog.get_logger(__name__)


class RunnerRegistry:
    """Writes what is not part of any run's state, so it needs no decision."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def hello(self, hello: Hello) -> None:
        await save_hello(self._pool, hello)

    async def offered(self, pool: str) -> frozenset[str]:
        """The agents that the living runners of a pool can run."""
        return await offered_agents(self._pool, pool)

    async def log_lines(self, batches: Sequence[LogLines]) -> dict[int, str]:
        """Write the lines. Those that no table can hold are left out: their position, and the reason."""
        try:
            await save_log(self._pool, batches)
            return {}
        except ABOUT_DATA as error:
            if len(batches) == 1:
                return {0: repr(error)}
        middle = len(batches) // 2
        first = await self.log_lines(batches[:middle])
        second = await self.log_lines(batches[middle:])
        return first | {middle + position: reason for position, reason in second.items()}

    async def save_checkpoint(self, save: CheckpointSave) -> CheckpointAnswer:
        return CheckpointAnswer(held=await save_checkpoint(self._pool, save))

    async def load_checkpoint(self, load: CheckpointLoad) -> CheckpointAnswer:
        held, value = await load_checkpoint(self._pool, load)
        return CheckpointAnswer(held=held, value=UNSET if value is None else raw(value.encode()))

    async def progress(self, progress: Progress) -> None:
        await save_progress(self._pool, progress)

    async def dead_letter(self, *, subject: str, payload: bytes, reason: str) -> None:
        """Keep a message that nothing can be done with, once and with its reason."""
        log.warning("bus.dead_letter", subject=subject, reason=reason)
        metrics.DEAD_LETTERS.labels(subject.split(".")[1] if "." in subject else "other").inc()
        await save_dead_letters(self._pool, [(subject, reason, payload)])
