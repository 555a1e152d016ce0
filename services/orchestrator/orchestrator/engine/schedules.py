"""Schedules fire: what has come due is written down, decided, and started, each tick once whoever fires it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import structlog

from orchestrator.domain.schedule import CancelFirst, Queue, Skip, Start, decide_tick, due_ticks
from orchestrator.engine.port import Engine, Superseded
from orchestrator.engine.ticks import REFUSALS, Tick, TickRuns
from orchestrator.engine.wishes import CancelRequested
from orchestrator.store.schedules import (
    TAKEN_ROWS_MAX,
    Taken,
    TickWrite,
    Undecided,
    advance,
    give_back,
    note,
    open_runs,
    take,
    undecided,
)
from penstock.contracts.errors import Unavailable
from penstock.definition.cron import Cron
from penstock.telemetry import metrics

MISSED = "nobody was there at that moment, and catch_up is {catch_up}"
CANCELLED_FOR = "the schedule '{name}' ticked again, and its overlap is cancel_previous"

log = structlog.get_logger(__name__)


class ScheduleSweep:
    """One pass over the schedules that have something to do. Several orchestrators may sweep at once."""

    def __init__(self, pool: asyncpg.Pool, engine: Engine, runs: TickRuns) -> None:
        self._pool = pool
        self._engine = engine
        self._runs = runs

    async def __call__(self) -> None:
        sweep = uuid4()
        more = True
        while more:
            taken = await take(self._pool, by=sweep)
            await asyncio.gather(*(self._work(schedule) for schedule in taken))
            more = len(taken) == TAKEN_ROWS_MAX

    async def _work(self, taken: Taken) -> None:
        """One schedule; its failure is not the others'. It is not given back then, and waits until TAKEN is over."""
        try:
            if taken.next_at <= taken.now:
                await self._come_due(taken)
            with suppress(Superseded):  # its successor's tick: the next sweep starts the new version
                await self._decide(taken)
            await give_back(self._pool, taken)
        except (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("schedules.failed", schedule=taken.key.values, reason=repr(error))
        except Exception:
            log.exception("schedules.failed", schedule=taken.key.values)

    async def _come_due(self, taken: Taken) -> None:
        cron = Cron(taken.cron, taken.timezone)
        due = due_ticks(cron, next_at=taken.next_at, now=taken.now, catch_up=taken.catch_up)
        missed = MISSED.format(catch_up=taken.catch_up)
        ticks = [TickWrite(moment, "due") for moment in due.fire]
        ticks += [TickWrite(moment, "missed", missed) for moment in due.missed]
        for tick in ticks:
            metrics.SCHEDULE_TICKS.labels(tick.outcome).inc()
        ticks.sort(key=lambda tick: tick.moment)
        await advance(self._pool, taken, ticks, next_at=cron.next_after(taken.now))

    async def _decide(self, taken: Taken) -> None:
        waiting = await undecided(self._pool, taken.key)
        if not waiting:
            return None
        waiting = await self._without_started(taken, waiting)
        busy = list(await open_runs(self._pool, taken.key))
        asked = [tick for tick in waiting if tick.by is not None]
        by_itself = [tick for tick in waiting if tick.by is None]
        for tick in asked:
            await self._start(taken, tick, busy)
        for place, tick in enumerate(by_itself):
            decision = decide_tick(taken.overlap, open_runs=tuple(busy), later=len(by_itself) - place - 1)
            match decision:
                case Start():
                    await self._start(taken, tick, busy)
                case Skip(reason):
                    await note(self._pool, taken.key, tick.moment, "skipped", reason=reason)
                    metrics.SCHEDULE_TICKS.labels("skipped").inc()
                case Queue(behind):
                    return await self._queue(taken, by_itself[place:], behind)
                case CancelFirst(runs):
                    await self._cancel(taken, runs)
                    return await self._queue(taken, by_itself[place:], runs)
        return None

    async def _without_started(self, taken: Taken, waiting: Sequence[Undecided]) -> list[Undecided]:
        """Those whose run an orchestrator has started and then died are noted; returns the others."""
        started = await self._runs.started(taken.key, [tick.moment for tick in waiting])
        for moment, run in started.items():
            await note(self._pool, taken.key, moment, "started", run=run, is_open=True)
        return [tick for tick in waiting if tick.moment not in started]

    async def _start(self, taken: Taken, tick: Undecided, busy: list[UUID]) -> None:
        """What is refused is noted with its reason; a version that is no longer the latest waits for the next sweep."""
        try:
            started = await self._runs.start(
                Tick(taken.key, taken.version, tick.moment, taken.input, tick.by)
            )
        except Superseded:
            raise
        except REFUSALS as error:
            log.warning("schedules.refused", schedule=taken.key.values, reason=str(error))
            return
        if started.is_open:
            busy.append(started.run_id)

    async def _queue(self, taken: Taken, ticks: Sequence[Undecided], behind: Sequence[UUID]) -> None:
        for tick in ticks:
            reason = f"waits until run {behind[0]} has ended"
            await note(self._pool, taken.key, tick.moment, "queued", reason=reason)

    async def _cancel(self, taken: Taken, runs: Sequence[UUID]) -> None:
        reason = CANCELLED_FOR.format(name=taken.key.name)
        wish = CancelRequested(by=f"schedule {taken.key.name}", reason=reason)
        for run in runs:
            await self._engine.control(taken.key.project, run, wish)
