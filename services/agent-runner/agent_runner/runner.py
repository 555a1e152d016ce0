"""A runner that is connected: its parts, its loops, and what its readiness is made of."""

import asyncio
from dataclasses import dataclass
from typing import Any

import nats.errors
import structlog

from agent_runner.attempts import Attempts
from agent_runner.claims import Claims
from agent_runner.drain import drain
from agent_runner.health import Dependency
from agent_runner.held import HeldAttempts
from agent_runner.lease import LeaseKeeper
from agent_runner.logs import Logs
from agent_runner.registry import Announcer
from agent_runner.results import ResultPublisher
from agent_runner.stopping import Stop
from agent_runner.worker import Worker
from penstock.bus.connection import Bus
from penstock.bus.pull import PullLoop
from penstock.bus.replies import Replies

LEAVE_S_MAX = 2.0

log = structlog.get_logger(__name__)


class Broken(Exception):
    """A loop that must run for ever has ended: the process must, too, and its sandboxes with it."""


@dataclass(frozen=True)
class Runner:
    """`pull` is None when the sandbox does not hold: then the runner is there to say so, and takes no work."""

    bus: Bus
    worker: Worker
    attempts: Attempts
    held: HeldAttempts
    claims: Claims
    keeper: LeaseKeeper
    results: ResultPublisher
    logs: Logs
    replies: Replies
    announcer: Announcer
    pull: PullLoop | None

    async def run(self, stop: Stop, *, grace_s: float) -> None:
        """Take work until told to stop, then end in good order. Raises Broken."""
        loops = {
            asyncio.create_task(part.run(), name=type(part).__name__)
            for part in (self.claims, self.keeper, self.results, self.logs, self.announcer)
        }
        pull = asyncio.create_task(self.pull.run(), name="PullLoop") if self.pull is not None else None
        told = asyncio.create_task(stop.drain.wait())
        try:
            every: set[asyncio.Task[Any]] = {*loops, told} if pull is None else {*loops, told, pull}
            ended, _ = await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
            if told not in ended:
                raise _broken(ended.pop())
            await self._drain(stop, pull, grace_s)
        finally:
            for task in (*loops, told, *([pull] if pull is not None else [])):
                task.cancel()

    def dependencies(self) -> tuple[Dependency, ...]:
        connected = self.bus.is_connected
        heard = self.announcer.is_heard
        return (
            Dependency("nats", connected, "connected" if connected else "not connected; trying again"),
            Dependency("orchestrator", heard, "answers" if heard else "did not answer the last announcement"),
        )

    async def _drain(self, stop: Stop, pull: asyncio.Task[None] | None, grace_s: float) -> None:
        log.info("runner.draining", running=self.worker.busy, grace_s=grace_s)
        await drain(
            worker=self.worker,
            attempts=self.attempts,
            held=self.held,
            results=self.results,
            logs=self.logs,
            replies=self.replies,
            pull=pull,
            grace_s=grace_s,
            at_once=stop.at_once,
        )
        try:
            await self.announcer.announce(leaving=True, timeout_s=LEAVE_S_MAX)
        except (nats.errors.Error, TimeoutError) as error:
            log.info("runner.left_unheard", reason=str(error) or type(error).__name__)


def _broken(task: "asyncio.Task[Any]") -> Broken:
    error = task.exception() if not task.cancelled() else None
    broken = Broken(f"{task.get_name()} ended: {error!r}")
    broken.__cause__ = error
    return broken
