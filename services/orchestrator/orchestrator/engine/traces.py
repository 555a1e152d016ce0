"""Traces of runs that have ended: read from the timeline once, at the end, by whoever committed the end.

So a trace costs its run nothing while it goes on, needs no memory, and is whole whichever orchestrators took part.
A crash between the commit and here loses that trace's inner spans; a repetition would have the same ids.
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog

from orchestrator.domain.run import Run
from orchestrator.engine.committed import Committed
from orchestrator.engine.run_trace import RUN_ENDS, RunTrace, TracedRun
from orchestrator.engine.span_contexts import run_span_id
from orchestrator.store.trace_rows import phase_of, phase_pages, traceparent_of_run
from penstock.contracts import subjects
from penstock.postgres.errors import DATABASE_AWAY
from penstock.telemetry.log_fields import about
from penstock.telemetry.traceparent import TraceParent, is_sampled, parse_traceparent
from penstock.telemetry.tracing import Tracing

RUNS_WAITING_MAX = 10_000  # beyond that traces are lost: they are there to be looked at, not to be counted
DRAIN_S_MAX = 3.0

log = structlog.get_logger(__name__)


class Traces:
    """Tells of runs that have ended, one after another. `run` must be running."""

    def __init__(self, pool: asyncpg.Pool, tracing: Tracing) -> None:
        self._pool = pool
        self._tracing = tracing
        self._ended: asyncio.Queue[tuple[Run, int]] = asyncio.Queue(RUNS_WAITING_MAX)

    def take(self, commits: Sequence[Committed]) -> None:
        if not self._tracing.is_on:
            return
        for commit in commits:
            if is_sampled(commit.run.traceparent):
                self._take_sampled(commit)

    def _take_sampled(self, commit: Committed) -> None:
        for event in commit.events:
            if event.kind in RUN_ENDS and not self._ended.full():
                self._ended.put_nowait((commit.run, event.seq))

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            run, seq = await self._ended.get()
            try:
                await self._tell(run, seq)
            except DATABASE_AWAY as error:
                log.warning("traces.lost", **about(run.id, traceparent=run.traceparent), reason=repr(error))
            except Exception:
                log.exception("traces.failed", **about(run.id, traceparent=run.traceparent))
            finally:
                self._ended.task_done()

    async def idle(self) -> None:
        """Wait until every run that has ended is told of, or for a few seconds."""
        try:
            await asyncio.wait_for(self._ended.join(), DRAIN_S_MAX)
        except TimeoutError:
            log.warning("traces.lost", runs=self._ended.qsize(), reason="the orchestrator stops")

    async def _tell(self, run: Run, end: int) -> None:
        above = parse_traceparent(run.traceparent)
        if above is None:
            return
        phase = await phase_of(self._pool, run.id, end=end, ends=RUN_ENDS)
        traced = TracedRun(
            id=run.id,
            project=run.project,
            workflow=run.plan.definition.name,
            version=run.plan.version,
            above=above,
            phase=phase.number,
            source=await self._source(run),
        )
        trace = RunTrace(traced, queue_of=lambda unit: _queue_of(run, unit))
        async for events in phase_pages(self._pool, run.id, after=phase.after, end=end):
            self._tracing.emit_all([span for event in events for span in trace.tell(event)])

    async def _source(self, run: Run) -> TraceParent | None:
        """The span of the run that this one is a fork of."""
        if run.source is None:
            return None
        found = parse_traceparent(await traceparent_of_run(self._pool, run.source))
        return None if found is None else found.child(run_span_id(run.source))


def _queue_of(run: Run, unit: str) -> tuple[str, str]:
    work = run.plan.work(unit)
    return work.pool, subjects.ready(work.pool, work.agent or "")
