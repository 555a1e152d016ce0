"""The engine: the one opener of transactions that change runs. Doors ask, it batches, decides, commits and relays."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import Answered, RunEvent
from orchestrator.domain.fork import plan_fork
from orchestrator.domain.run import RUN_ENDED
from orchestrator.engine.admission import Admission, Item
from orchestrator.engine.answers import check_answer
from orchestrator.engine.apply import Answer, Apply
from orchestrator.engine.batch import Batcher
from orchestrator.engine.breaker_gate import BreakerGate
from orchestrator.engine.breakers import BreakerControl
from orchestrator.engine.budget_questions import BudgetGate
from orchestrator.engine.capacity import Capacity
from orchestrator.engine.claim_limits import LimitGate
from orchestrator.engine.committed import Committed
from orchestrator.engine.dispatch import Dispatcher
from orchestrator.engine.effects import CheckInput, Effects, FindEvents, any_input, no_events
from orchestrator.engine.observer import Observer
from orchestrator.engine.pauses import Pauses
from orchestrator.engine.plans import Plans
from orchestrator.engine.port import ForkPoint, ForkPreview, Started, StartRun
from orchestrator.engine.relay import Relay
from orchestrator.engine.runs import Runs
from orchestrator.engine.slots import Slots
from orchestrator.engine.starts import Starts
from orchestrator.engine.traces import Traces
from orchestrator.engine.watch import Progress, Watch
from orchestrator.engine.wishes import ResumeRequested, RetryRequested, RunWish
from orchestrator.store.heads import run_head
from orchestrator.store.leases import Renewed, renew
from orchestrator.store.pauses import pause_over
from penstock.contracts.errors import Conflict, NotFound
from penstock.contracts.limits import EVENTS_PER_BATCH_MAX
from penstock.contracts.template import Evaluate
from penstock.service import end

STARTS_PER_BATCH_MAX = 100  # a 2,000-node run has many rows of its own


class RunEngine:
    """Starts runs and applies events to them. `run` must be running for anything to be answered."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        relay: Relay,
        evaluate: Evaluate,
        *,
        lease: timedelta,
        find_events: FindEvents = no_events,
        check_input: CheckInput = any_input,
        observer: Observer | None = None,
    ) -> None:
        self.lease = lease
        self.observer = observer or Observer()
        self._pool = pool
        self._relay = relay
        self.plans = plans = Plans(pool)
        self.runs = Runs(pool, plans)
        self._watch = Watch(self._look)
        self.breakers = BreakerControl(pool)
        self.slots = Slots(pool, self.handle, plans.plan_of)
        contexts = relay.contexts
        self.traces = Traces(pool, contexts.tracing)
        self.effects = Effects(
            pool, self, self.slots, find_events=find_events, check_input=check_input, contexts=contexts
        )
        self.capacity = Capacity(pool)
        self.dispatcher = Dispatcher(self.runs, self.capacity, unclaimed=relay.unclaimed)
        relay.connect(self.dispatcher)
        # A claim that a limit refuses is not shown to a breaker: it would spend the one probe of a half-open one.
        limits = LimitGate(self.capacity, on_refused=self.dispatcher.refused)
        admission = Admission(pool, [limits, BreakerGate(pool, spread=random.random), BudgetGate()])
        apply = Apply(
            pool, self.runs, evaluate, self._on_commit, self.effects.order, lease=lease, admission=admission
        )
        self.pauses = Pauses(pool, self.handle)
        starts = Starts(pool, plans, self.runs, evaluate, self._on_commit, contexts, self.pauses)
        self._events: Batcher[Item, Answer] = Batcher(apply, items_max=EVENTS_PER_BATCH_MAX)
        self._starts: Batcher[StartRun, Started] = Batcher(
            starts, items_max=STARTS_PER_BATCH_MAX, key=lambda request: request.project
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.capacity.refresh()  # before the first claim is granted
        await self.pauses.refresh()
        parts = (self._events, self._starts, self._relay, self.effects, self.traces)
        loops = [asyncio.create_task(part.run()) for part in parts]
        try:
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()  # a loop that ended by itself ended by an error
        finally:
            await end(*loops)

    async def handle(self, items: Sequence[Item]) -> list[Answer | Exception]:
        """Apply events, each to its run; answers when they are committed. Raises Unavailable."""
        return await self._events.ask(items)

    async def start(self, request: StartRun) -> Started:
        (answer,) = await self._starts.ask([request])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def control(self, project: str, run_id: UUID, wish: RunWish) -> Outcome:
        head = await run_head(self._pool, run_id)
        if head is None or head.project != project:
            raise NotFound("run", str(run_id))
        if isinstance(wish, (ResumeRequested, RetryRequested)):
            pausing = await pause_over(self._pool, run_id)
            if pausing is not None:
                raise Conflict(
                    f"workflow '{pausing.workflow}' is paused by {pausing.by}: resume the workflow first"
                )
        return await self._ask(run_id, wish)

    async def answer(self, project: str, run_id: UUID, answer: Answered) -> Outcome:
        self.runs.doubt(run_id)  # what it asks may have changed: another orchestrator can be busy with it
        run = (await self.runs.fetch([run_id])).get(run_id)
        if run is None or run.project != project:
            raise NotFound("run", str(run_id))
        return await self._ask(run_id, check_answer(run, answer))

    async def _ask(self, run_id: UUID, event: RunEvent) -> Outcome:
        (answer,) = await self.handle([(run_id, event)])
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise NotFound("run", str(run_id))
        return answer

    async def renew(self, *, runner: str, tokens: Sequence[UUID]) -> Renewed:
        """Extend the leases that `runner` holds; a timer only, so no decision is needed."""
        return await renew(self._pool, runner=runner, tokens=tokens, lease=self.lease)

    async def preview_fork(self, project: str, point: ForkPoint, *, version: int | None) -> ForkPreview:
        source = (await self.runs.fetch([point.source])).get(point.source)
        if source is None or source.project != project:
            raise NotFound("run", str(point.source))
        number = version or source.plan.version
        plan = await self.plans.get(project=project, workflow=source.plan.definition.name, version=number)
        return ForkPreview(number, plan_fork(source, plan, from_=point.node))

    async def committed(self, run_id: UUID, *, after: int, timeout_s: float) -> int:
        progress = await self._watch.wait(run_id, after=after, timeout_s=timeout_s)
        return progress.version if progress else 0

    async def _look(self, run_id: UUID) -> Progress | None:
        head = await run_head(self._pool, run_id)
        return None if head is None else Progress(version=head.version, ended=head.ended)

    def _on_commit(self, commits: Sequence[Committed]) -> None:
        self._relay.send(commits)
        self.effects.take(commits)
        self.observer(commits)
        self.traces.take(commits)
        for commit in commits:
            run = commit.run
            self._watch.tell(run.id, Progress(version=run.version, ended=run.state in RUN_ENDED))
