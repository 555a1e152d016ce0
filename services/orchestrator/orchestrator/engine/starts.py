"""Starting runs: what was asked while the last list was being written is written as one list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import uuid_utils.compat as uuid_utils

from orchestrator.domain.decide import Fork, begin
from orchestrator.domain.decision import Decision
from orchestrator.domain.plan import Plan, sub_workflows
from orchestrator.domain.run import RUN_ENDED, RunState
from orchestrator.engine.committed import Committed, NumberedFact, dated, number_facts
from orchestrator.engine.pauses import Pauses
from orchestrator.engine.plans import Plans
from orchestrator.engine.port import Started, StartRun, Superseded
from orchestrator.engine.rows import event_writes, first_writes, run_detail
from orchestrator.engine.runs import Runs
from orchestrator.engine.slots import Line, key_of
from orchestrator.engine.span_contexts import SpanContexts
from orchestrator.store.slots import SlotKey, locked_keys, queue_of
from orchestrator.store.start import Birth, Holder, RunStart, Written, holders, latest_versions, start
from penstock.contracts.errors import Conflict, NotFound, PenstockError, Unavailable
from penstock.contracts.template import Evaluate
from penstock.contracts.wire import encode
from penstock.postgres.errors import DATABASE_AWAY
from penstock.telemetry import metrics


@dataclass(slots=True)
class _Newborn:
    """A run that wants to be written."""

    request: StartRun
    decision: Decision
    facts: list[NumberedFact]

    @property
    def id(self) -> UUID:
        return self.decision.run.id

    @property
    def key(self) -> tuple[str, str]:
        return self.request.project, self.request.idempotency_key or ""


class Starts:
    """Writes lists of new runs. What it commits goes to `on_commit`."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        plans: Plans,
        runs: Runs,
        evaluate: Evaluate,
        on_commit: Callable[[Sequence[Committed]], None],
        contexts: SpanContexts,
        pauses: Pauses,
    ) -> None:
        self._pauses = pauses
        self._pool = pool
        self._plans = plans
        self._runs = runs
        self._evaluate = evaluate
        self._on_commit = on_commit
        self._contexts = contexts

    async def __call__(self, requests: list[StartRun]) -> list[Started | Exception]:
        try:
            return await self._start(requests)
        except DATABASE_AWAY as error:
            raise Unavailable(f"the database does not answer: {error!r}") from error

    async def _start(self, requests: list[StartRun]) -> list[Started | Exception]:
        keys = [await self._slot_key(request) for request in requests]
        limited = [key for key in keys if isinstance(key, SlotKey)]
        if limited:
            async with locked_keys(self._pool, limited) as connection:
                line = Line({key: await queue_of(connection, key) for key in limited})
                births, written = await self._write(connection, requests, keys, line)
        else:
            births, written = await self._write(self._pool, requests, keys, Line({}))
        good = [birth for birth in births if isinstance(birth, _Newborn)]
        await self._commit([birth for birth in good if birth.id in written], written)
        refused = [birth.key for birth in good if birth.id not in written and birth.request.idempotency_key]
        taken = await holders(self._pool, refused) if refused else {}
        return [b if isinstance(b, Exception) else _answer(b, written.get(b.id), taken) for b in births]

    async def _slot_key(self, request: StartRun) -> SlotKey | Exception | None:
        try:
            plan = await self._plan(request)
            return key_of(plan, project=request.project, input=request.input, evaluate=self._evaluate)
        except PenstockError as error:
            return error

    async def _write(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        requests: list[StartRun],
        keys: list[SlotKey | Exception | None],
        line: Line,
    ) -> tuple[list[_Newborn | Exception], dict[UUID, Written]]:
        known = await holders(connection, line.keys_in(requests))
        births = [
            key if isinstance(key, Exception) else await self._birth(request, key, line, known)
            for request, key in zip(requests, keys, strict=True)
        ]
        good = [_written(birth) for birth in births if isinstance(birth, _Newborn)]
        return births, await start(connection, good)

    async def _plan(self, request: StartRun) -> Plan:
        return await self._plans.get(
            project=request.project, workflow=request.workflow, version=request.version
        )

    async def _birth(
        self, request: StartRun, key: SlotKey | None, line: Line, known: dict[tuple[str, str], Holder]
    ) -> _Newborn | Exception:
        try:
            plan = await self._plan(request)
            repeated = (request.project, request.idempotency_key or "") in known
            id_ = uuid_utils.uuid7()
            decision = begin(
                id=id_,
                project=request.project,
                plan=plan,
                input=request.input,
                evaluate=self._evaluate,
                labels=request.labels,
                traceparent=self._contexts.of_new_run(id_, request.traceparent),
                by=request.by or None,
                priority=request.priority,
                parent=request.parent,
                pins=await self._pins(request, plan),
                concurrency_key=key.key if key else None,
                fork=await self._fork(request),
                queued=key is not None and not repeated and line.join(id_, key, plan),
                paused=self._pauses.of(request.project, request.workflow),
            )
        except DATABASE_AWAY:
            raise
        except Exception as error:
            return error
        return _Newborn(request, decision, number_facts(decision.run, list(decision.facts)))

    async def _fork(self, request: StartRun) -> Fork | None:
        point = request.fork
        if point is None:
            return None
        found = await self._runs.fetch([point.source])
        source = found.get(point.source)
        if source is None or source.project != request.project:
            raise NotFound("run", str(point.source))
        return Fork(source, point.node)

    async def _pins(self, request: StartRun, plan: Plan) -> dict[str, int]:
        """The versions of its sub-workflows that this run uses from its start to its end."""
        names = sub_workflows(plan.definition)
        return await latest_versions(self._pool, request.project, names) if names else {}

    async def _commit(self, births: list[_Newborn], written: dict[UUID, Written]) -> None:
        """Tells of the new runs. Memory may have been wrong about their workflow's pause: then that is mended
        first, and until then nobody is offered anything."""
        commits = []
        mistaken = []
        for birth in births:
            run = birth.decision.run
            metrics.RUNS_STARTED.labels(run.project, run.plan.definition.name).inc()
            if run.state in RUN_ENDED:
                metrics.RUNS_ENDED.labels(run.project, run.plan.definition.name, run.state).inc()
            self._runs.keep(run, changed=birth.decision.changed)
            events = dated(run, birth.facts, written[run.id].at)
            paused = run.state is RunState.PAUSED
            if run.state in (RunState.RUNNING, RunState.PAUSED) and paused != written[run.id].workflow_paused:
                mistaken.append(run)
                commits.append(Committed(run, events, ()))
            else:
                commits.append(Committed(run, events, birth.decision.commands))
        self._on_commit(commits)
        if mistaken:
            await self._pauses.mend(mistaken)


def _written(birth: _Newborn) -> Birth:
    run = birth.decision.run
    nodes = first_writes(run, birth.decision.changed)
    return Birth(_row(birth), nodes, tuple(event_writes(run.id, birth.facts)))


def _row(birth: _Newborn) -> RunStart:
    request, run = birth.request, birth.decision.run
    return RunStart(
        id=run.id,
        project=run.project,
        key=request.idempotency_key,
        digest=request.digest,
        workflow=request.workflow,
        workflow_version=request.version,
        latest=request.latest,
        state=run.state,
        version=run.version,
        nodes_total=len(run.plan.nodes),
        nodes_open=run.open_nodes,
        input=request.input.decode(),
        output=run.output.decode() if run.output is not None else None,
        failure=encode(run.failure.cut()).decode() if run.failure else None,
        labels=encode(request.labels).decode(),
        priority=request.priority,
        traceparent=run.traceparent,
        started_by=run.started_by,
        parent_run=run.parent.run if run.parent else None,
        source_run=run.source,
        concurrency_key=run.concurrency_key,
        detail=run_detail(run),
        timeout=run.plan.definition.timeout,
        ended=run.state in RUN_ENDED,
    )


def _answer(
    birth: _Newborn, written: Written | None, taken: dict[tuple[str, str], Holder]
) -> Started | Exception:
    run, request = birth.decision.run, birth.request
    if written is not None:
        return Started(
            run_id=run.id,
            created=True,
            state=run.state,
            seq=run.version,
            nodes_total=len(run.plan.nodes),
            nodes_open=run.open_nodes,
            created_at=written.at,
            number=written.number,
            deadline_at=written.at + run.plan.definition.timeout if run.state is RunState.RUNNING else None,
        )
    holder = taken.get(birth.key) if request.idempotency_key else None
    if holder is None:
        newer = f"has a newer version than {request.version}, or " if request.latest else ""
        return Superseded(f"workflow '{request.workflow}' {newer}is inactive")
    if holder.digest != request.digest:
        return Conflict(
            f"idempotency_key '{request.idempotency_key}' was used with another body, for run {holder.run_id}"
        )
    return Started(run_id=holder.run_id, created=False)
