"""The end of a runner: what waits goes back, what runs may finish for a while, what is known is told."""

import asyncio
from collections.abc import Awaitable

import structlog

from agent_runner.attempts import Attempts
from agent_runner.held import HeldAttempts
from agent_runner.logs import Logs
from agent_runner.results import ResultPublisher
from agent_runner.worker import Worker
from penstock.bus.replies import Replies

CANCEL_S_MAX = 10.0  # a cancelled agent gets SIGTERM, its grace, SIGKILL; then it has ended
RESULTS_S_MAX = 10.0  # for the bus to take the last results; what it does not take lapses
RESULTS_AT_ONCE_S_MAX = 2.0
LOGS_S_MAX = 2.0
CANCEL_AGAIN_S = 0.5

log = structlog.get_logger(__name__)


async def drain(
    *,
    worker: Worker,
    attempts: Attempts,
    held: HeldAttempts,
    results: ResultPublisher,
    logs: Logs,
    replies: Replies,
    pull: asyncio.Task[None] | None,
    grace_s: float,
    at_once: asyncio.Event,
) -> None:
    """Take no more, wait for what runs, cancel the rest, publish every result. `at_once` ends each wait."""
    worker.close()
    if pull is not None:
        await _cancelled(pull)
    if not await _within(worker.idle(), grace_s, at_once):
        for attempt in held:
            if attempt.is_running:
                attempt.drained = True
                attempt.cancelled.set()
        await _within(worker.idle(), CANCEL_S_MAX, at_once)
    for attempt in held:
        if attempt.is_running:
            attempts.abandon(attempt)
    await replies.sent()
    results_s = RESULTS_AT_ONCE_S_MAX if at_once.is_set() else RESULTS_S_MAX
    if not await _within(results.published(), results_s):
        log.error("drain.results_lost", results=len(results))
    await _within(logs.flushed(), LOGS_S_MAX)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: before Python 3.12 `wait_for` can swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_S)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("drain.pull_ended_badly", reason=str(error) or type(error).__name__)


async def _within(work: Awaitable[None], seconds: float, unless: asyncio.Event | None = None) -> bool:
    """Whether `work` was done in time, and before `unless` was set."""
    done = asyncio.ensure_future(work)
    waits = [done]
    if unless is not None:
        waits.append(asyncio.ensure_future(_set(unless)))
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return done.done()
    finally:
        for wait in waits:
            wait.cancel()


async def _set(event: asyncio.Event) -> None:
    await event.wait()
