"""Events in, commits out: load → decide → save, for many runs at once. The only writer of runs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog

from orchestrator.domain.decide import UnknownNode, decide
from orchestrator.domain.decision import Command, Decision, Fact, Outcome
from orchestrator.domain.events import (
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    RunEvent,
)
from orchestrator.domain.run import Run
from orchestrator.engine.admission import Admission, Admitted
from orchestrator.engine.admission import Item as Item
from orchestrator.engine.committed import Committed, NumberedFact, dated, number_facts
from orchestrator.engine.rows import event_writes, node_write, run_write
from orchestrator.engine.runs import Runs
from orchestrator.store.heads import stale_runs
from orchestrator.store.save import Saved, save
from penstock.contracts.errors import Conflict, Unavailable
from penstock.contracts.template import Evaluate
from penstock.postgres.errors import DATABASE_AWAY
from penstock.telemetry import metrics
from penstock.telemetry.log_fields import Fields, about

Answer = Outcome | None  # None: there is no such run
_TOOK_EFFECT = (Outcome.APPLIED, Outcome.HELD)
_RESULTS = (AttemptSucceeded, AttemptFailed, AttemptReleased, AttemptParked)

STALE_TRIES_MAX = 5

FENCED = "PS001"  # sql: penstock_fence

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Change:
    """What a batch does to one run, before it is saved."""

    before: Run
    run: Run
    facts: list[Fact] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)  # an ordered set

    def take(self, decision: Decision) -> None:
        self.run = decision.run
        self.facts.extend(decision.facts)
        self.commands.extend(decision.commands)
        self.changed.update(dict.fromkeys(decision.changed))


class Apply:
    """Applies lists of events. What it commits goes to `on_commit`, in order; what is ordered again without a
    change of the run goes to `on_order`."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        runs: Runs,
        evaluate: Evaluate,
        on_commit: Callable[[Sequence[Committed]], None],
        on_order: Callable[[Run, Sequence[Command]], None],
        *,
        lease: timedelta,
        admission: Admission,
    ) -> None:
        self._pool = pool
        self._runs = runs
        self._evaluate = evaluate
        self._on_commit = on_commit
        self._on_order = on_order
        self._lease = lease
        self._admission = admission

    async def __call__(self, items: list[Item]) -> list[Answer | Exception]:
        """One outcome for each item. An item that cannot be saved is answered with its exception, alone."""
        began = time.perf_counter()
        try:
            answers = await self._fresh(items)
            _count_late(items, answers)
            return answers
        except DATABASE_AWAY as error:
            # Whether the save took effect is unknown: what is in memory may be old.
            for run, _ in items:
                self._runs.forget(run)
            raise Unavailable(f"the database does not answer: {error!r}") from error
        finally:
            metrics.ENGINE_BATCH_ITEMS.observe(len(items))
            metrics.ENGINE_BATCH_SECONDS.observe(time.perf_counter() - began)

    async def _fresh(self, items: list[Item]) -> list[Answer | Exception]:
        """Decide and save; when another orchestrator was faster with a run, look again."""
        for _ in range(STALE_TRIES_MAX):
            runs = await self._runs.fetch(dict.fromkeys(run for run, _ in items))
            try:
                async with self._admission.begin(items, runs) as admitted:
                    answers, changes = self._decide(items, runs, admitted)
                    if await self._doubt_stale(items, answers, changes):
                        continue
                    if not changes:
                        return answers
                    numbered = {
                        id_: number_facts(change.run, change.facts) for id_, change in changes.items()
                    }
                    saved = await self._save(admitted, changes, numbered)
            except asyncpg.PostgresError as error:
                if not _is_about_data(error):
                    raise
                return await self._bisect(items, error)
            if saved.ok:
                self._commit(changes, numbered, saved)
                return answers
            metrics.ENGINE_STALE.inc(len(saved.stale))
            for run in saved.stale or changes:
                self._runs.doubt(run)
        raise Unavailable(f"{len(items)} events met runs that others kept changing")

    def _decide(
        self, items: list[Item], runs: dict[UUID, Run], admitted: Admitted
    ) -> tuple[list[Answer | Exception], dict[UUID, _Change]]:
        changes: dict[UUID, _Change] = {}
        answers: list[Answer | Exception] = []
        for id_, event in items:
            run = runs.get(id_)
            answers.append(None if run is None else self._take(changes, run, event, admitted))
        return answers, changes

    async def _doubt_stale(
        self, items: list[Item], answers: list[Answer | Exception], changes: dict[UUID, _Change]
    ) -> bool:
        """Whether an event was turned down by a memory that is old. What changes a run the save guards anyway."""
        doubted = {
            run: known.version
            for (run, _), answer in zip(items, answers, strict=True)
            if answer not in _TOOK_EFFECT and run not in changes and (known := self._runs.get(run))
        }
        stale = await stale_runs(self._pool, doubted) if doubted else []
        metrics.ENGINE_STALE.inc(len(stale))
        for run in stale:
            self._runs.doubt(run)
        return bool(stale)

    def _take(
        self, changes: dict[UUID, _Change], before: Run, event: RunEvent, admitted: Admitted
    ) -> Outcome | Exception:
        change = changes.get(before.id)
        run = before if change is None else change.run
        considered = admitted.consider(run, event)
        if considered is None:
            return Outcome.REFUSED
        try:
            decision = decide(run, considered, evaluate=self._evaluate)
        except UnknownNode as error:
            return error  # perhaps an item that began after this memory: then it is doubted, and read again
        except Exception as error:
            log.exception("engine.decide_failed", **_about(before.id, event, traceparent=before.traceparent))
            return error
        metrics.ENGINE_OUTCOMES.labels(type(event).__name__, decision.outcome).inc()
        admitted.took(run, considered, decision.outcome)
        if decision.run is not run:
            if change is None:
                change = changes[before.id] = _Change(before, before)
            change.take(decision)
        elif decision.commands:
            self._on_order(run, decision.commands)
        if decision.reason:
            return Conflict(decision.reason)
        return decision.outcome

    async def _save(
        self, admitted: Admitted, changes: dict[UUID, _Change], numbered: dict[UUID, list[NumberedFact]]
    ) -> Saved:
        await admitted.save()
        saved = await save(
            admitted.connection,
            [run_write(change.before, change.run) for change in changes.values()],
            [
                node_write(change.before, change.run, name, lease=self._lease)
                for change in changes.values()
                for name in change.changed
            ],
            [write for id_, facts in numbered.items() for write in event_writes(id_, facts)],
        )
        if saved.ok:
            await admitted.after_save()
        return saved

    def _commit(
        self, changes: dict[UUID, _Change], numbered: dict[UUID, list[NumberedFact]], saved: Saved
    ) -> None:
        commits = []
        for id_, change in changes.items():
            self._runs.keep(change.run, changed=change.changed)
            events = dated(change.run, numbered[id_], saved.at)
            commits.append(Committed(change.run, events, tuple(change.commands), tuple(change.facts)))
        self._on_commit(commits)

    async def _bisect(self, items: list[Item], error: Exception) -> list[Answer | Exception]:
        """The database refused the batch: find the item that it does not like; its neighbours commit."""
        metrics.ENGINE_REFUSED.inc()
        for run, _ in items:
            self._runs.forget(run)
        if len(items) == 1:
            log.error("engine.refused", **_about(*items[0]), error=repr(error))
            return [error]
        middle = len(items) // 2
        return await self._fresh(items[:middle]) + await self._fresh(items[middle:])


def _about(run: UUID, event: RunEvent, *, traceparent: str | None = None) -> Fields:
    """Fields of a log line about an event that could not be applied."""
    node, attempt = getattr(event, "node", None), getattr(event, "attempt", None)
    of_unit = about(run, node=node, attempt=attempt, traceparent=traceparent)
    return {**of_unit, "event_type": type(event).__name__}


def _count_late(items: list[Item], answers: list[Answer | Exception]) -> None:
    """Results of attempts that a lapsed lease or a person had ended before."""
    late = sum(
        answer is Outcome.LATE and isinstance(event, _RESULTS)
        for (_, event), answer in zip(items, answers, strict=True)
    )
    if late:
        metrics.RESULTS_LATE.inc(late)


def _is_about_data(error: asyncpg.PostgresError) -> bool:
    data = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
    return isinstance(error, data) or error.sqlstate == FENCED
