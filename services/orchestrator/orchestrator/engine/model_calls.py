"""Calls of language models: may one be made, was it made before, what did it take.

A call is reserved on every account that it is charged to, in one transaction that holds them: however many
orchestrators there are, no budget is promised twice. What a budget has no room for is refused, pauses the run or
asks a person.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from orchestrator.domain.budget import (
    Level,
    Limit,
    Over,
    Wish,
    accounts_of,
    first_over,
    limit_of_project,
    limits_of_run,
    limits_of_workflow,
)
from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import BudgetExceeded, PauseRequested
from orchestrator.engine.budget_questions import question_about
from orchestrator.engine.engine import RunEngine
from orchestrator.store.budget_accounts import (
    add_accounts,
    forget_days,
    levels_of,
    lock_accounts,
    project_limits,
    reserve,
)
from orchestrator.store.budget_questions import note_exceeded, open_question, rejected_by
from orchestrator.store.model_calls import (
    Holder,
    KnownCall,
    earlier_call,
    end_call,
    holder_of,
    insert_call,
    known_call,
    lose_calls,
)
from penstock.contracts.budget import OnSpent
from penstock.contracts.model_messages import (
    ModelCallBegin,
    ModelCallEnd,
    ModelCallVerdict,
    ModelReply,
    Verdict,
)
from penstock.contracts.wire import decode
from penstock.telemetry import metrics

ROOM_PATIENCE = timedelta(seconds=5)  # for calls that run to end; a runner waits twice as long for its answer
LOOK_EVERY_S = 1.0  # meanwhile: what other orchestrators have ended
AT_ONCE_MAX = 2  # transactions: they wait for one another's accounts, and claims need connections too
BY = "budget"  # who pauses a run whose budget is spent

_LOST = ModelCallVerdict(Verdict.LOST, "the token does not hold the attempt")

log = structlog.get_logger(__name__)


class ModelCalls:
    """Answers runners. Safe to ask twice: a call is known by its id."""

    def __init__(self, pool: asyncpg.Pool, engine: RunEngine, *, patience: timedelta = ROOM_PATIENCE) -> None:
        self._pool = pool
        self._engine = engine
        self._patience_s = patience.total_seconds()
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)
        self._room = asyncio.Event()  # replaced at each end

    async def begin(self, begin: ModelCallBegin) -> ModelCallVerdict:
        """Raises Unavailable and what asyncpg raises: then nothing was reserved, or the same question tells."""
        verdict = await self._begin(begin)
        metrics.MODEL_CALLS.labels(str(verdict.verdict)).inc()
        return verdict

    async def end(self, end: ModelCallEnd) -> bool:
        """Whether such a call was begun."""
        async with self._turns:
            try:
                known = await end_call(self._pool, end)
            except asyncpg.DataError as error:  # what it took counts, though no table can hold the answer
                log.warning("model_calls.answer_not_kept", call=str(end.call), reason=str(error))
                known = await end_call(self._pool, _without_answer(end))
        self._room.set()
        self._room = asyncio.Event()
        return known

    async def sweep(self) -> None:
        """Settle what nobody will end: its runner has died."""
        async with self._turns:
            lost = await lose_calls(self._pool)
        if lost:
            log.warning("model_calls.lost", calls=lost)

    async def forget(self) -> None:
        await forget_days(self._pool)

    async def _begin(self, begin: ModelCallBegin) -> ModelCallVerdict:
        holder = await holder_of(self._pool, begin)
        if holder is None:
            return _LOST
        known = await known_call(self._pool, begin.call)
        if known is not None:
            return _as_before(known)
        plan = await self._engine.plans.get(
            project=holder.project, workflow=holder.workflow, version=holder.workflow_version
        )
        agent = plan.work(begin.node).agent or ""
        earlier = await earlier_call(self._pool, begin, iteration=holder.iteration)
        if earlier is not None:
            async with self._pool.acquire() as connection, connection.transaction():
                await insert_call(connection, begin, holder, agent=agent, replay_of=earlier.call)
            return _replay(earlier.reply)
        return await self._reserve(begin, holder, agent)

    async def _reserve(self, begin: ModelCallBegin, holder: Holder, agent: str) -> ModelCallVerdict:
        """What only calls that run now leave no room for waits a moment: they may take less than was reserved."""
        give_up_at = time.monotonic() + self._patience_s
        while True:
            room = self._room
            over = await self._try_to_reserve(begin, holder, agent)
            if over is None:
                return ModelCallVerdict(Verdict.GO)
            left = give_up_at - time.monotonic()
            if not over.may_pass or left <= 0:
                return await self._refuse(begin, over)
            with suppress(TimeoutError):
                await asyncio.wait_for(room.wait(), min(left, LOOK_EVERY_S))
            if (
                await holder_of(self._pool, begin) is None
            ):  # its runner has died meanwhile: who should make the call?
                return _LOST

    async def _try_to_reserve(self, begin: ModelCallBegin, holder: Holder, agent: str) -> Over | None:
        day = datetime.now(UTC).date()
        levels = await levels_of(self._pool, begin.run)
        limits = await self._limits(holder.project, levels, day=day)
        names = accounts_of(levels, day=day)
        keys = [name.key for name in names]
        wish = Wish(begin.tokens_most, begin.dollars_most)
        async with self._turns:
            await add_accounts(self._pool, holder.project, names)
            async with self._pool.acquire() as connection, connection.transaction():
                accounts = await lock_accounts(connection, holder.project, keys)
                over = first_over(limits, accounts, wish)
                if over is None and await insert_call(connection, begin, holder, agent=agent, accounts=keys):
                    await reserve(
                        connection,
                        holder.project,
                        keys,
                        tokens=begin.tokens_most,
                        dollars=begin.dollars_most,
                    )
        return over

    async def _limits(self, project: str, levels: tuple[Level, ...], *, day: date) -> list[Limit]:
        """Of each run as its version says, of each workflow as its latest version says, of the project."""
        limits: list[Limit] = []
        plans = self._engine.plans
        for level in levels:
            plan = await plans.get(project=project, workflow=level.workflow, version=level.version)
            limits.extend(limits_of_run(level, plan.definition.budget))
        for workflow, latest in {level.workflow: level.latest for level in levels}.items():
            plan = await plans.get(project=project, workflow=workflow, version=latest)
            limits.extend(limits_of_workflow(workflow, plan.definition.budget, day=day))
        limits.extend(
            limit_of_project(limit.period, limit.allowance, limit.on_limit, day=day)
            for limit in await project_limits(self._pool, project)
        )
        return limits

    async def _refuse(self, begin: ModelCallBegin, over: Over) -> ModelCallVerdict:
        key = over.limit.account.key
        if await note_exceeded(self._pool, begin.run, key, raises=over.raises):
            told = BudgetExceeded(begin.node, begin.attempt, key, over.sentence, over.on_limit)
            await self._engine.handle([(begin.run, told)])
        match over.on_limit:
            case OnSpent.PAUSE:
                return await self._pause(begin.run, over)
            case OnSpent.ASK:
                return await self._ask(begin, over)
            case OnSpent.FAIL:
                return ModelCallVerdict(Verdict.REFUSED, over.sentence)

    async def _pause(self, run: UUID, over: Over) -> ModelCallVerdict:
        """A run that cannot be paused now, because it is being undone, would only begin the same attempt again."""
        (answer,) = await self._engine.handle([(run, PauseRequested(by=BY, reason=over.sentence))])
        if answer in (Outcome.APPLIED, Outcome.REPEATED):
            return ModelCallVerdict(Verdict.PARK, over.sentence)
        return ModelCallVerdict(Verdict.REFUSED, f"{over.sentence}; the run cannot be paused now")

    async def _ask(self, begin: ModelCallBegin, over: Over) -> ModelCallVerdict:
        key = over.limit.account.key
        by = await rejected_by(self._pool, begin.run, key)
        if by is not None:
            return ModelCallVerdict(Verdict.REFUSED, f"{over.sentence}; {by} did not want to raise it")
        about = question_about(over)
        question = await open_question(self._pool, begin.run, begin.node, key, name=about.key)
        return ModelCallVerdict(Verdict.PARK, over.sentence, question=question_about(over, key=question))


def _without_answer(end: ModelCallEnd) -> ModelCallEnd:
    used = end.reply or end
    return ModelCallEnd(
        end.call,
        end.seconds,
        error="its answer cannot be kept",
        tokens_in=used.tokens_in,
        tokens_out=used.tokens_out,
        cost_dollars=used.cost_dollars,
    )


def _as_before(known: KnownCall) -> ModelCallVerdict:
    """The same answer to the same call."""
    if known.reply is not None:
        return _replay(known.reply)
    if known.state in ("open", "lost"):
        return ModelCallVerdict(Verdict.GO)
    return ModelCallVerdict(Verdict.REFUSED, "this call has failed before: begin it under another id")


def _replay(reply: bytes) -> ModelCallVerdict:
    return ModelCallVerdict(Verdict.REPLAY, reply=decode(reply, ModelReply))
