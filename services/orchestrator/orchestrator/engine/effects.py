"""What decisions order besides messages: runs of sub-workflows, looks into the cache, words to a parent.

Each is done after the commit that ordered it, and may be lost with the process: then a timer orders it again,
and whoever does it finds what was done before. The answer goes back into the core as an event.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, assert_never
from uuid import UUID

import asyncpg
import structlog

from orchestrator.domain.decision import (
    AskCache,
    CancelChild,
    Command,
    CompensateChild,
    Effect,
    GrantSlots,
    KeepOutput,
    LookBack,
    Outcome,
    PublishReady,
    StartChild,
    StopAttempt,
    TellParent,
)
from orchestrator.domain.events import (
    CacheAnswered,
    CancelRequested,
    ChildEnded,
    ChildStarted,
    CompensateRequested,
    EventArrived,
    RunEvent,
)
from orchestrator.domain.run import Parent, Run, RunState
from orchestrator.engine.apply import Answer, Item
from orchestrator.engine.committed import Committed
from orchestrator.engine.port import Started, StartRun
from orchestrator.engine.slots import Slots
from orchestrator.engine.span_contexts import SpanContexts
from orchestrator.store.cache import cached_output, keep_output
from orchestrator.store.heads import EndedRun, ended_run
from orchestrator.store.slots import SlotKey
from orchestrator.store.triggers import Taker, note_taken
from penstock.contracts.errors import Conflict, LimitExceeded, PenstockError, Unavailable, in_full
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import SUB_WORKFLOW_DEPTH_MAX
from penstock.contracts.value import replace
from penstock.contracts.workflow import Json
from penstock.service import end
from penstock.telemetry.log_fields import Fields, about

IN_HAND_MAX = 10_000  # beyond that the timers order again
WORKERS = 16  # effects wait for the database most of the time

log = structlog.get_logger(__name__)

FindEvents = Callable[[UUID, LookBack], AsyncIterator[Sequence[dict[str, Json]]]]
"""Of a run: lists of the events from outside that came since, the oldest first."""


async def no_events(run_id: UUID, order: LookBack) -> AsyncIterator[Sequence[dict[str, Json]]]:
    """Where nothing takes events from outside."""
    nothing: tuple[Sequence[dict[str, Json]], ...] = ()
    for events in nothing:
        yield events


CheckInput = Callable[[StartRun], Awaitable[bytes]]
"""The input of a run that is to be started, with defaults filled in. Raises InvalidInput, NotFound."""


async def any_input(request: StartRun) -> bytes:
    """Where nothing knows the schemas of workflows."""
    return request.input


class Engine(Protocol):
    """What effects need of the engine that ordered them."""

    async def handle(self, items: Sequence[Item]) -> list[Answer | Exception]: ...

    async def start(self, request: StartRun) -> Started: ...


class Effects:
    """Does what was ordered, in no particular order. `run` must be running."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        engine: Engine,
        slots: Slots,
        *,
        find_events: FindEvents,
        check_input: CheckInput,
        contexts: SpanContexts,
    ) -> None:
        self._pool = pool
        self._check_input = check_input
        self._contexts = contexts
        self._slots = slots
        self._engine = engine
        self._find_events = find_events
        self._queue: asyncio.Queue[tuple[Run, Effect]] = asyncio.Queue(IN_HAND_MAX)

    def take(self, commits: Sequence[Committed]) -> None:
        for commit in commits:
            self.order(commit.run, commit.commands)

    def order(self, run: Run, commands: Sequence[Command]) -> None:
        for command in commands:
            if not isinstance(command, (PublishReady, StopAttempt)) and not self._queue.full():
                self._queue.put_nowait((run, command))

    async def run(self) -> None:
        """Work until cancelled."""
        workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        try:
            await asyncio.gather(*workers)
        finally:
            await end(*workers)

    async def idle(self) -> None:
        """Wait until all that was ordered has been tried."""
        await self._queue.join()

    async def _work(self) -> None:
        while True:
            run, effect = await self._queue.get()
            try:
                await self._do(run, effect)
            except (
                Unavailable,
                OSError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                TimeoutError,
            ) as error:
                log.warning("effects.postponed", **_about(run, effect), reason=repr(error))
            except Exception:
                log.exception("effects.failed", **_about(run, effect))
            finally:
                self._queue.task_done()

    async def _do(self, run: Run, effect: Effect) -> None:
        match effect:
            case StartChild():
                await self._start_child(run, effect)
            case CancelChild():
                await self._cancel_child(run, effect)
            case CompensateChild():
                await self._compensate_child(run, effect)
            case TellParent(parent=parent):
                ended = EndedRun(effect.state, effect.output, effect.failure)
                await self._tell(parent.run, _child_ended(parent, run.id, ended))
            case GrantSlots(key=key):
                await self._slots.grant(SlotKey(run.project, run.plan.definition.name, key))
            case LookBack():
                await self._look_back(run, effect)
            case AskCache():
                output, source = await cached_output(self._pool, run.project, effect.agent, effect.key)
                await self._tell(
                    run.id, CacheAnswered(effect.node, effect.attempt, effect.key, output, source)
                )
            case KeepOutput():
                await keep_output(self._pool, run, effect)
            case _:
                assert_never(effect)

    async def _tell(self, run: UUID, event: RunEvent) -> Answer | Exception:
        (answer,) = await self._engine.handle([(run, event)])
        if isinstance(answer, Exception) and not isinstance(answer, PenstockError):
            raise answer
        return answer

    async def _start_child(self, run: Run, order: StartChild) -> None:
        parent = Parent(run.id, order.node, order.attempt, depth=1 + (run.parent.depth if run.parent else 0))
        try:
            request = _request(run, order, parent, self._contexts)
            request = replace(request, input=await self._check_input(request))
            started = await self._engine.start(request)
        except Unavailable:
            raise
        except PenstockError as error:
            message = f"workflow '{order.workflow}': {in_full(error)}"
            failure = Failure(type(error).__name__, message, ErrorClass.VALIDATION)
            await self._tell(
                run.id, ChildEnded(order.node, order.attempt, None, "failed", failure=failure.cut())
            )
            return
        await self._tell(run.id, ChildStarted(order.node, order.attempt, started.run_id))
        await self._tell_if_ended(parent, started.run_id)

    async def _cancel_child(self, run: Run, order: CancelChild) -> None:
        """A child that has ended already told so, but that word may be lost: nobody else would say it again."""
        failure = Failure("Timeout", order.reason, ErrorClass.TIMEOUT) if order.timed_out else None
        await self._tell(order.run, CancelRequested(f"run {run.id}", order.reason, failure))
        parent = Parent(run.id, order.node, run.nodes[order.node].attempt, depth=1)
        await self._tell_if_ended(parent, order.run)

    async def _tell_if_ended(self, parent: Parent, child: UUID) -> None:
        ended = await ended_run(self._pool, child)
        if ended is not None:
            await self._tell(parent.run, _child_ended(parent, child, ended))

    async def _compensate_child(self, run: Run, order: CompensateChild) -> None:
        """A child without anything to undo is undone already; one that is being undone tells its end itself."""
        answer = await self._tell(order.run, CompensateRequested(by=f"run {run.id}", reason=order.reason))
        nothing_to_undo = answer is None or isinstance(answer, Exception)
        ended = await ended_run(self._pool, order.run)
        if nothing_to_undo or (ended is not None and ended.state == RunState.COMPENSATED):
            attempt = run.nodes[order.node].attempt
            await self._tell(run.id, ChildEnded(order.node, attempt, order.run, RunState.COMPENSATED))

    async def _look_back(self, run: Run, order: LookBack) -> None:
        async for events in self._find_events(run.id, order):
            shown = [(run.id, EventArrived(order.node, order.attempt, event)) for event in events]
            answers = await self._engine.handle(shown)
            if Outcome.APPLIED in answers:
                event = events[answers.index(Outcome.APPLIED)]
                taker = Taker(event["source"], event["id"], run.id, order.node)
                await note_taken(self._pool, run.project, [taker])
                return


def _request(run: Run, order: StartChild, parent: Parent, contexts: SpanContexts) -> StartRun:
    if order.version == 0:
        raise Conflict("it did not exist, or was inactive, when this run was started")
    if parent.depth > SUB_WORKFLOW_DEPTH_MAX:
        message = f"sub-workflows are nested {parent.depth} deep, the limit is {SUB_WORKFLOW_DEPTH_MAX}"
        raise LimitExceeded.at(f"nodes.{order.node}.workflow", message)
    return StartRun(
        project=run.project,
        workflow=order.workflow,
        version=order.version,
        latest=False,
        input=order.input,
        digest=f"{run.id}/{order.node}/{order.attempt}",
        idempotency_key=f"penstock:child/{run.id}/{order.node}/{order.attempt}",
        priority=run.priority,
        labels=dict(run.labels),
        by=run.started_by or "",
        traceparent=contexts.of_attempt(run, order.node, order.attempt),
        parent=parent,
    )


def _about(run: Run, effect: Effect) -> Fields:
    """Fields of a log line about something that could not be done."""
    node, attempt = getattr(effect, "node", None), getattr(effect, "attempt", None)
    of_unit = about(run.id, node=node, attempt=attempt, traceparent=run.traceparent)
    return {**of_unit, "effect": type(effect).__name__}


def _child_ended(parent: Parent, child: UUID, ended: EndedRun) -> ChildEnded:
    return ChildEnded(
        node=parent.node,
        attempt=parent.attempt,
        run=child,
        state=ended.state,
        output=ended.output,
        failure=ended.failure,
        spread=random.uniform(-1, 1),
    )
