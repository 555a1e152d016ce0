"""Pausing a workflow: it starts no attempts until it is resumed; then exactly the runs go on that were paused with it.

The flag is in the workflow's row. Its open runs are paused one by one, each with this as its reason, and a run that
is started meanwhile begins paused. Whatever dies or races in between, the sweep of any orchestrator makes the runs
agree with the flag.
"""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import PauseRequested, ResumeRequested
from orchestrator.domain.run import Run, RunState
from orchestrator.engine.admission import Item
from orchestrator.engine.apply import Answer
from orchestrator.store.pauses import (
    RUNS_ROWS_MAX,
    Pausing,
    forget_resumed,
    pause_workflow,
    pausing_workflows,
    resume_workflow,
    runs_against,
)
from penstock.contracts.errors import Unavailable
from penstock.telemetry import metrics

LISTS_MAX = 200  # of one look at one workflow: 100,000 runs; the next look goes on

Handle = Callable[[Sequence[Item]], Awaitable[list[Answer | Exception]]]
Key = tuple[str, str]

log = structlog.get_logger(__name__)


class Pauses:
    """Pauses and resumes workflows, and remembers which are paused; the memory is at most a second old."""

    def __init__(self, pool: asyncpg.Pool, handle: Handle) -> None:
        self._pool = pool
        self._handle = handle
        self._known: dict[Key, Pausing] = {}

    def of(self, project: str, workflow: str) -> PauseRequested | None:
        """How a run begins that is started now; None: not paused."""
        known = self._known.get((project, workflow))
        return None if known is None or known.since is None else _pause(known)

    async def refresh(self) -> None:
        self._known = {(each.project, each.workflow): each for each in await pausing_workflows(self._pool)}

    async def pause(self, project: str, workflow: str, *, by: str, reason: str) -> None:
        """Returns when its open runs are paused. Repeating it changes nothing."""
        await pause_workflow(self._pool, project, workflow, by=by, reason=reason)
        await self._now(project, workflow)

    async def resume(self, project: str, workflow: str, *, by: str, reason: str) -> None:
        """Returns when the runs that were paused with it go on."""
        await resume_workflow(self._pool, project, workflow, by=by, reason=reason)
        await self._now(project, workflow)

    async def sweep(self) -> None:
        """Make every run agree with its workflow."""
        await self.refresh()
        for pausing in tuple(self._known.values()):
            if await self._agree(pausing) == 0 and pausing.since is None:
                await forget_resumed(self._pool, pausing)

    async def mend(self, runs: Sequence[Run]) -> None:
        """New runs that began paused or not, and should not have. What fails here the sweep does."""
        try:
            await self.refresh()
            await self._handle([(run.id, self._wish(run)) for run in runs])
        except Unavailable as error:
            log.warning("pauses.postponed", runs=len(runs), reason=repr(error))

    def _wish(self, run: Run) -> PauseRequested | ResumeRequested:
        known = self._known.get((run.project, run.plan.definition.name))
        by = known.by if known else "penstock"
        if run.state is RunState.PAUSED:
            return ResumeRequested(by, of_workflow=True)
        return PauseRequested(by, known.reason if known else "", of_workflow=True)

    async def _now(self, project: str, workflow: str) -> None:
        await self.refresh()
        pausing = self._known.get((project, workflow))
        if pausing is not None:
            count = await self._agree(pausing)
            what = "workflow.paused" if pausing.since else "workflow.resumed"
            log.info(what, project=project, workflow=workflow, by=pausing.by, runs=count)

    async def _agree(self, pausing: Pausing) -> int:
        """How many runs did not."""
        wish = _pause(pausing) if pausing.since else ResumeRequested(pausing.by, of_workflow=True)
        total = 0
        for _ in range(LISTS_MAX):
            runs = await runs_against(self._pool, pausing)
            answers = await self._handle([(run, wish) for run in runs])
            metrics.SWEEP_REPAIRED.labels(type(wish).__name__).inc(len(runs))
            total += len(runs)
            if len(runs) < RUNS_ROWS_MAX or Outcome.APPLIED not in answers:
                break
        return total


def _pause(pausing: Pausing) -> PauseRequested:
    return PauseRequested(pausing.by, pausing.reason, of_workflow=True)
