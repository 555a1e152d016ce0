"""Events meet triggers: each starts one run for each trigger that means it, whoever is offered it and how often.

What an event does is decided once, and written down before a run is started. What was written and not started
(its orchestrator died, the project may start no more runs in this second) is started by any orchestrator's sweep;
the run's idempotency key makes sure that it is one run.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

import asyncpg
import msgspec
import structlog

from orchestrator.domain.triggering import Broken, Trigger, look_at
from orchestrator.engine.port import Engine, Registry, Started, StartRun, Superseded
from orchestrator.engine.start_rate import StartRate
from orchestrator.store.triggers import (
    TAKEN_ROWS_MAX,
    Due,
    Reaction,
    note,
    postpone,
    take_due,
    triggers_of,
    write_reactions,
)
from penstock.contracts.errors import Conflict, InvalidInput, NotFound, Unavailable, in_full
from penstock.contracts.inbound import InboundEvent, alert_type, topic_of
from penstock.contracts.template import Evaluate
from penstock.contracts.workflow import AlertStatus, Json
from penstock.postgres.errors import DATABASE_AWAY
from penstock.telemetry import metrics
from penstock.telemetry.labels import Bounded
from penstock.telemetry.traceparent import parse_traceparent, trace_id_of

STARTS_AT_ONCE_MAX = 100  # what one transaction of the engine takes
SUPERSEDED_TRIES_MAX = 3  # new versions are saved while we look; then the sweep tries again
POSTPONED_S_MAX = 60.0  # then it is looked at again: the rate may be another one
LABEL_CHARS_MAX = 500
BY_CHARS_MAX = 200
DIGEST = "event"  # the key says it all: the same event is the same run, whatever was saved in between
REFUSALS = (InvalidInput, NotFound, Conflict)  # the same run would be refused again

_ALERTS = frozenset(alert_type(status) for status in AlertStatus)

log = structlog.get_logger(__name__)


class Triggering:
    """Is offered events, and starts what they trigger."""

    def __init__(
        self, pool: asyncpg.Pool, engine: Engine, registry: Registry, evaluate: Evaluate, rate: StartRate
    ) -> None:
        self._pool = pool
        self._engine = engine
        self._registry = registry
        self._evaluate = evaluate
        self._rate = rate
        self._labels = Bounded()
        self._turns: dict[
            str, float
        ] = {}  # project → when the last of those that wait for the rate has its turn

    async def __call__(self, events: Sequence[InboundEvent]) -> None:
        """Raises what says that the database is away; then it is to be done again."""
        triggers: dict[str, list[Trigger]] = defaultdict(list)
        for trigger in await triggers_of(self._pool, {topic_of(each.project, each.type) for each in events}):
            triggers[topic_of(trigger.project, trigger.type)].append(trigger)
        if not triggers:
            return
        met = {event.seq: event for event in events}
        reactions: list[Reaction] = []
        for event in met.values():
            looking = triggers.get(topic_of(event.project, event.type), ())
            reactions += self._reactions(event, looking)
            if looking:  # hundreds of triggers may look at hundreds of events: others have their turn
                await asyncio.sleep(0)
        if not reactions:
            return
        written = await write_reactions(self._pool, reactions)
        new = [reaction for reaction in reactions if reaction.place in written]
        for reaction in new:
            if reaction.reason is not None:
                self._tell(met[reaction.seq].project, reaction, "failed", reason=reaction.reason)
        await self._start_all(_due(met[each.seq], each) for each in new if each.reason is None)

    async def start_due(self) -> None:
        """What was left lying, by whichever orchestrator, or had to wait."""
        more = True
        while more:
            due = await take_due(self._pool)
            metrics.SWEEP_REPAIRED.labels("EventReaction").inc(len(due))
            await self._start_all(due)
            more = len(due) == TAKEN_ROWS_MAX

    def _reactions(self, event: InboundEvent, triggers: Iterable[Trigger]) -> list[Reaction]:
        found = []
        document: dict[str, Json] | None = None
        for trigger in triggers:
            document = document or event.document()
            wanted = look_at(trigger, event, document, self._evaluate)
            place = (event.seq, trigger.workflow, trigger.name)
            if isinstance(wanted, Broken):
                found.append(Reaction(*place, reason=wanted.reason))
            elif wanted is not None:
                found.append(Reaction(*place, key=wanted.key, input=wanted.input))
        return found

    async def _start_all(self, due: Iterable[Due]) -> None:
        waiting = list(due)
        while waiting:
            now, waiting = waiting[:STARTS_AT_ONCE_MAX], waiting[STARTS_AT_ONCE_MAX:]
            await asyncio.gather(*(self._start(each) for each in now))

    async def _start(self, due: Due) -> None:
        """Whatever happens is noted, but for what says that it is to be tried again: then it stays due."""
        wait_s = self._rate.seconds_to_wait(due.project)
        if wait_s > 0:
            await self._postpone(due, wait_s)
            return
        try:
            started = await self._started(due)
        except (Superseded, Unavailable, *DATABASE_AWAY) as error:
            log.warning("triggers.postponed", workflow=due.workflow, trigger=due.trigger, reason=repr(error))
        except REFUSALS as error:
            await self._end(due, "refused", reason=in_full(error))
        except Exception as error:
            log.exception("triggers.failed", workflow=due.workflow, trigger=due.trigger)
            await self._end(due, "failed", reason=repr(error))
        else:
            is_repeated = not started.created and due.type in _ALERTS
            await self._end(due, "repeated" if is_repeated else "started", started=started)

    async def _postpone(self, due: Due, wait_s: float) -> None:
        """Each later than the one before, so that they do not all come back to be postponed again."""
        per_second = self._rate.per_second(due.project) or 1
        now = time.monotonic()
        turn = max(now + wait_s, self._turns.get(due.project, 0.0) + 1 / per_second)
        self._turns[due.project] = turn = min(turn, now + POSTPONED_S_MAX)
        reason = f"the project may start {per_second} runs a second; this one waits for its turn"
        await postpone(self._pool, due, wait=timedelta(seconds=turn - now), reason=reason)
        self._tell(due.project, due, "postponed", reason=reason)

    async def _started(self, due: Due) -> Started:
        for tries in range(1, SUPERSEDED_TRIES_MAX + 1):
            try:
                workflow = await self._registry.latest(due.project, due.workflow, fresh=tries > 1)
                request = _request(due, version=workflow.version, input=workflow.check_input(due.input))
                return await self._engine.start(request)
            except REFUSALS as error:  # of a version from memory, it may be, that is not the latest any more
                is_sure = tries > 1 and not isinstance(error, Superseded)
                if is_sure or tries == SUPERSEDED_TRIES_MAX:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _end(
        self, due: Due, outcome: str, *, started: Started | None = None, reason: str | None = None
    ) -> None:
        run = started.run_id if started else None
        await note(self._pool, due, outcome, run=run, reason=reason)
        trace_id = trace_id_of(_traceparent(due.attributes))
        self._tell(due.project, due, outcome, run=run, trace_id=trace_id, reason=reason)

    def _tell(self, project: str, of: Due | Reaction, outcome: str, **told: object) -> None:
        metrics.TRIGGERS.labels(*self._labels(project, of.workflow), outcome).inc()
        known = {name: str(value) for name, value in told.items() if value is not None}
        log.info(
            "triggers.met",
            project=project,
            workflow=of.workflow,
            trigger=of.trigger,
            event_seq=of.seq,
            outcome=outcome,
            **known,
        )


def _due(event: InboundEvent, reaction: Reaction) -> Due:
    return Due(
        seq=reaction.seq,
        project=event.project,
        workflow=reaction.workflow,
        trigger=reaction.trigger,
        key=reaction.key,
        input=reaction.input,
        type=event.type,
        source=event.source,
        subject=event.subject,
        attributes=event.attributes,
    )


def _request(due: Due, *, version: int, input: bytes) -> StartRun:
    by = f"alert {due.subject or ''}".strip() if due.type in _ALERTS else f"event {due.type}"
    labels = {"trigger": due.trigger, "event": due.type, "source": due.source}
    if due.type in _ALERTS and due.subject:
        labels["alert"] = due.subject
    return StartRun(
        project=due.project,
        workflow=due.workflow,
        version=version,
        latest=True,
        input=input,
        digest=DIGEST,
        idempotency_key=due.key,
        labels={name: value[:LABEL_CHARS_MAX] for name, value in labels.items()},
        by=by[:BY_CHARS_MAX],
        traceparent=_traceparent(due.attributes),
    )


def _traceparent(attributes: bytes) -> str | None:
    """A trace that is not well formed is not ours to refuse: it is left out."""
    given = msgspec.json.decode(attributes, type=dict[str, Json]).get("traceparent")
    return given if isinstance(given, str) and parse_traceparent(given) else None
