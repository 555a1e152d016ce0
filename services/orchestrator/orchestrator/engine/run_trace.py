"""A run's spans, made from its timeline: pure, fact after fact, with memory only for what is open.

run <workflow>                      accepted → ended; a run that goes on after its end gets another, linked
  queued | paused                   its concurrency key, a person
  node <name> | item <name> | undo <name>
    queue <pool>                    ready → claimed
    attempt <n>                     claimed → ended, as committed; links to the attempt before
    backoff | suspended             until the next attempt, or until what it waits for has come
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from orchestrator.domain.unit import index_of, is_item, is_undo, node_of, undone_by
from orchestrator.engine.span_contexts import attempt_span_id, run_span_id, step_span_id, unit_span_id
from penstock.contracts.timeline import Kind, TimelineEvent
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json
from penstock.telemetry.span import Attribute, Span, SpanKind
from penstock.telemetry.traceparent import TraceParent

RUN_ENDS = (Kind.RUN_SUCCEEDED, Kind.RUN_FAILED, Kind.RUN_CANCELLED, Kind.RUN_COMPENSATED)
ERROR_CHARS_MAX = 300  # the whole failure is in the timeline

_UNIT_ENDS = (Kind.NODE_SUCCEEDED, Kind.NODE_FAILED, Kind.NODE_CANCELLED, Kind.NODE_SKIPPED)
_OF_OTHERS = (  # told of the node that is undone, whose undoing is a unit of its own, or of another run
    Kind.NODE_COMPENSATING,
    Kind.NODE_COMPENSATED,
    Kind.NODE_COMPENSATION_FAILED,
    Kind.NODE_COMPENSATION_SKIPPED,
    Kind.NODE_REUSED,
)
_MEASURED = ("cpu_s", "memory_bytes", "tier")


class TracedRun(Value, frozen=True):
    """What the timeline does not say. `above` is the span over the run's own, in whose trace all are."""

    id: UUID
    project: str
    workflow: str
    version: int
    above: TraceParent
    phase: int = 0  # how often it had ended before the facts that are told
    source: TraceParent | None = None  # the run that it is a fork of


@dataclass(slots=True)
class _Step:
    """What is going on: a wait or an attempt, until the next fact."""

    name: str
    span_id: str
    since: datetime
    attributes: dict[str, Attribute]
    kind: SpanKind = SpanKind.INTERNAL
    links: tuple[TraceParent, ...] = ()


@dataclass(slots=True)
class _Unit:
    span_id: str
    since: datetime
    step: _Step | None = None
    attempts: int = 0
    last_attempt: TraceParent | None = None
    child: str | None = None  # the run of a sub-workflow


@dataclass
class RunTrace:
    """Takes the facts of one phase in order, and gives the spans that end with each."""

    run: TracedRun
    queue_of: Callable[[str], tuple[str, str]]  # unit → its pool, and the subject on which it is offered
    _began: datetime | None = None
    _wait: _Step | None = None  # of the whole run
    _units: dict[str, _Unit] = field(default_factory=dict)
    _ended: list[Span] = field(default_factory=list)

    def tell(self, event: TimelineEvent) -> list[Span]:
        self._began = self._began or event.at
        if event.node is None:
            self._tell_run(event)
        elif event.kind not in _OF_OTHERS:
            self._tell_unit(event, event.node)
        spans, self._ended = self._ended, []
        return spans

    def _tell_run(self, event: TimelineEvent) -> None:
        waits = {Kind.RUN_QUEUED: "queued", Kind.RUN_PAUSED: "paused"}
        if self._wait is not None:
            self._end_step(self._wait, event.at, above=self._run_span)
            self._wait = None
        if event.kind in waits:
            span_id, about = step_span_id(self.run.id, event.seq), _told(event, "key", "cause", "by")
            self._wait = _Step(waits[event.kind], span_id, event.at, about)
        elif event.kind in RUN_ENDS:
            self._end_run(event)

    def _tell_unit(self, event: TimelineEvent, name: str) -> None:
        if event.kind in _UNIT_ENDS:
            self._end_unit(event, name)
            return
        unit = self._units.get(name) or self._begin_unit(name, event)
        match event.kind:
            case Kind.NODE_READY:
                self._ready(event, name, unit)
            case Kind.NODE_STARTED:
                self._start_attempt(event, name, unit)
            case Kind.NODE_SUSPENDED:
                self._next_step(unit, name, event, "suspended", _told(event, "code", "key", "type"))
            case Kind.NODE_ATTEMPT_FAILED:
                self._end_attempt(event, name, unit)
                self._next_step(unit, name, event, "backoff", _told(event, "retry_in_s"))
            case Kind.NODE_RELEASED | Kind.NODE_REPEATED:
                self._end_attempt(event, name, unit)
            case Kind.NODE_CHILD_STARTED:
                unit.child = str(_data(event).get("run"))

    def _begin_unit(self, name: str, event: TimelineEvent) -> _Unit:
        if is_item(name) and node_of(name) not in self._units:
            self._begin_unit(node_of(name), event)  # only its items are done again
        unit = self._units[name] = _Unit(unit_span_id(self.run.id, name, event.seq), event.at)
        return unit

    def _ready(self, event: TimelineEvent, name: str, unit: _Unit) -> None:
        """An attempt that is offered again has been waiting all the time."""
        queued = unit.step is not None and unit.step.kind is SpanKind.CONSUMER
        if queued and unit.step is not None and unit.step.attributes["penstock.attempt"] == event.attempt:
            return
        pool, subject = self.queue_of(name)
        about: dict[str, Attribute] = {
            "penstock.attempt": event.attempt or 0,
            "penstock.pool": pool,
            "messaging.system": "nats",
            "messaging.destination.name": subject,
            "messaging.operation.type": "receive",
        }
        self._next_step(unit, name, event, f"queue {pool}", about)
        if unit.step is not None:
            unit.step.kind = SpanKind.CONSUMER

    def _start_attempt(self, event: TimelineEvent, name: str, unit: _Unit) -> None:
        number = event.attempt or 0
        about = {"penstock.attempt": number, **_told(event, "runner", "workflow")}
        links = () if unit.last_attempt is None else (unit.last_attempt,)
        self._next_step(unit, name, event, f"attempt {number}", about)
        assert unit.step is not None, "a step has just begun"
        unit.step.span_id = attempt_span_id(self.run.id, name, number)
        unit.step.links = links
        unit.attempts += 1

    def _next_step(
        self, unit: _Unit, name: str, event: TimelineEvent, called: str, about: dict[str, Attribute]
    ) -> None:
        if unit.step is not None:
            self._end_step(unit.step, event.at, above=unit.span_id)
        about["penstock.node"] = name
        unit.step = _Step(called, step_span_id(self.run.id, event.seq), event.at, about)

    def _end_attempt(self, event: TimelineEvent, name: str, unit: _Unit) -> None:
        """Whatever was going on ends; if it was an attempt, with what its runner measured."""
        step, unit.step = unit.step, None
        if step is None:
            return
        error = None
        if step.span_id == attempt_span_id(self.run.id, name, event.attempt or 0):
            data = _data(event)
            step.attributes |= {f"penstock.{key}": data[key] for key in _MEASURED if key in data}
            step.attributes["penstock.outcome"] = event.kind.removeprefix("node.")
            unit.last_attempt = self.run.above.child(step.span_id)
            error = _error(event)
        self._end_step(step, event.at, above=unit.span_id, error=error)

    def _end_unit(self, event: TimelineEvent, name: str) -> None:
        """What never began and did not fail either (skipped, cancelled while it waited) took no time to show."""
        unit = self._units.pop(name, None)
        if unit is None:
            if event.kind is not Kind.NODE_FAILED:
                return
            unit = self._begin_unit(name, event)
            del self._units[name]
        self._end_attempt(event, name, unit)
        about: dict[str, Attribute] = {
            **self._of_workflow,
            "penstock.node": name,
            "penstock.outcome": event.kind.removeprefix("node."),
            "penstock.attempts": unit.attempts,
        }
        index = index_of(name)
        if index is not None:
            about["penstock.item"] = index
        if unit.child is not None:
            about["penstock.child_run"] = unit.child
        parent = self._units[node_of(name)].span_id if is_item(name) else self._run_span
        times = (unit.since, event.at)
        self._emit(_unit_name(name), unit.span_id, parent, times, about, error=_error(event))

    def _end_run(self, event: TimelineEvent) -> None:
        run, since = self.run, self._began or event.at
        root, phase = run_span_id(run.id), run.phase
        links = [run.above.child(run_span_id(run.id, phase - 1))] if phase else []
        if run.source is not None and not phase:
            links.append(run.source)
        about: dict[str, Attribute] = {
            **self._of_workflow,
            "penstock.version": run.version,
            "penstock.outcome": event.kind.removeprefix("run."),
        }
        parent = None if run.above.span_id == root else run.above.span_id
        if parent is None and phase:
            parent = root  # a trace has one root
        self._emit(
            f"run {run.workflow}",
            self._run_span,
            parent,
            (since, event.at),
            about,
            links=tuple(links),
            error=_error(event),
        )

    @property
    def _of_workflow(self) -> dict[str, Attribute]:
        """Steps do without: each attribute of each span costs the collector as much as it costs us."""
        return {"penstock.project": self.run.project, "penstock.workflow": self.run.workflow}

    @property
    def _run_span(self) -> str:
        return run_span_id(self.run.id, self.run.phase)

    def _end_step(self, step: _Step, at: datetime, *, above: str, error: str | None = None) -> None:
        times = (step.since, at)
        self._emit(step.name, step.span_id, above, times, step.attributes, step.links, step.kind, error)

    def _emit(
        self,
        name: str,
        span_id: str,
        parent: str | None,
        times: tuple[datetime, datetime],
        about: Mapping[str, Attribute],
        links: tuple[TraceParent, ...] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        error: str | None = None,
    ) -> None:
        about = {"penstock.run": str(self.run.id), **about}
        own = self.run.above.child(span_id)
        self._ended.append(Span(name, own, parent, *times, kind, about, links, error))


def _unit_name(unit: str) -> str:
    """The same for all items: names of spans are grouped by."""
    if is_undo(unit):
        return f"undo {node_of(undone_by(unit))}"
    return f"item {node_of(unit)}" if is_item(unit) else f"node {unit}"


def _data(event: TimelineEvent) -> dict[str, Json]:
    data: dict[str, Json] = msgspec.json.decode(event.data)
    return data


def _told(event: TimelineEvent, *keys: str) -> dict[str, Attribute]:
    """What the fact says under these keys, as attributes."""
    names = {"code": "waits_for"}
    data = _data(event)
    return {f"penstock.{names.get(key, key)}": data[key] for key in keys if data.get(key) is not None}


def _error(event: TimelineEvent) -> str | None:
    """Why it failed, where it did."""
    if event.kind not in (Kind.NODE_FAILED, Kind.NODE_ATTEMPT_FAILED, Kind.RUN_FAILED):
        return None
    failure = _data(event).get("failure") or {}
    return f"{failure.get('type', 'Failed')}: {failure.get('message', '')}"[:ERROR_CHARS_MAX]
