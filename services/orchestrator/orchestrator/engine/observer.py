"""Counts what was committed: runs, nodes, attempts, how long they took and what they cost.

Looks at facts after their commit, never at what was merely tried, so each is counted once whatever is repeated.
It is in the hot path: a dictionary and a few additions for each fact. A duration whose beginning this process has
not seen is left out, or read later by the clock (`unread`); it is never guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import structlog

from orchestrator.domain.decision import Fact
from orchestrator.domain.run import Run
from orchestrator.engine.committed import Committed
from orchestrator.engine.moments import Moments, RunMoments, UnitMoments
from orchestrator.engine.series import AgentSeries, Series, WorkflowSeries
from penstock.contracts.failure import Failure
from penstock.contracts.timeline import Kind
from penstock.contracts.usage import ModelUsage
from penstock.contracts.workflow import NodeKind
from penstock.telemetry import metrics
from penstock.telemetry.exemplar import exemplar_of

UNREAD_MAX = 10_000  # runs whose beginning is to be read; more of them are left out
LAPSED = "LeaseLapsed"  # the type of the failure that the core gives an attempt whose lease ended

log = structlog.get_logger(__name__)


class _Commit:
    """One commit of one run, while it is looked at."""

    __slots__ = ("at", "moments", "run", "series", "trace")

    def __init__(
        self, run: Run, at: float, series: WorkflowSeries, moments: RunMoments, trace: dict[str, str] | None
    ) -> None:
        self.run, self.at, self.series, self.moments, self.trace = run, at, series, moments, trace


class Ended:
    """A run that has ended and whose beginning is to be read."""

    __slots__ = ("outcome", "series", "trace")

    def __init__(self, series: WorkflowSeries, outcome: str, trace: dict[str, str] | None) -> None:
        self.series, self.outcome, self.trace = series, outcome, trace

    def observe(self, seconds: float) -> None:
        self.series.seconds(self.outcome).observe(seconds, self.trace)


class Observer:
    """`minute_price_dollars`: what a minute of an agent's time costs; 0: nobody knows, and none is counted.
    `day_budget_dollars`: what each project may cost in a day; 0: there is no budget."""

    def __init__(self, *, minute_price_dollars: float = 0.0, day_budget_dollars: float = 0.0) -> None:
        self._second_price = minute_price_dollars / 60
        self._day_budget = day_budget_dollars
        self._series = Series(on_project=self._begin_project)
        self._moments = Moments()
        self.unread: dict[UUID, Ended] = {}
        self._looks: Mapping[Kind, Callable[[_Commit, Fact], None]] = {
            Kind.RUN_STARTED: self._run_started,
            Kind.RUN_PAUSED: self._run_paused,
            Kind.RUN_SUCCEEDED: self._run_ended,
            Kind.RUN_FAILED: self._run_ended,
            Kind.RUN_CANCELLED: self._run_ended,
            Kind.RUN_COMPENSATED: self._run_ended,
            Kind.NODE_READY: self._ready,
            Kind.NODE_SUSPENDED: self._began,
            Kind.NODE_EXPANDED: self._began,
            Kind.NODE_STARTED: self._started,
            Kind.NODE_RELEASED: self._released,
            Kind.NODE_REPEATED: self._repeated,
            Kind.NODE_ATTEMPT_FAILED: self._attempt_failed,
            Kind.NODE_SUCCEEDED: self._node_ended,
            Kind.NODE_FAILED: self._node_ended,
            Kind.NODE_SKIPPED: self._node_ended,
            Kind.NODE_CANCELLED: self._node_ended,
            Kind.NODE_COMPENSATED: self._undone,
            Kind.NODE_COMPENSATION_FAILED: self._undone,
            Kind.NODE_COMPENSATION_SKIPPED: self._undone,
        }

    def __call__(self, commits: Sequence[Committed]) -> None:
        """Never raises: what is committed must reach the bus, whatever becomes of its figures."""
        try:
            for commit in commits:
                self._take(commit)
        except Exception:
            log.exception("observer.failed")

    def _take(self, commit: Committed) -> None:
        run = commit.run
        seen = _Commit(
            run,
            commit.events[0].at.timestamp(),
            self._series.workflow(run.project, run.plan.definition.name),
            self._moments.of(run.id),
            exemplar_of(run.traceparent) if run.traceparent else None,
        )
        looks = self._looks
        for fact in commit.facts:
            look = looks.get(fact.kind)
            if look is not None:
                look(seen, fact)

    def _begin_project(self, project: str) -> None:
        if self._day_budget:
            metrics.BUDGET_DOLLARS.labels(project).set(self._day_budget)

    # Runs

    def _run_started(self, seen: _Commit, fact: Fact) -> None:
        seen.moments.began = seen.at
        seen.series.started.inc()

    def _run_paused(self, seen: _Commit, fact: Fact) -> None:
        """Nobody can claim what is ready now: it does not wait for a runner until it is offered again."""
        for unit in seen.moments.units.values():
            unit.offered = None

    def _run_ended(self, seen: _Commit, fact: Fact) -> None:
        outcome = str(seen.run.state)
        seen.series.ended(outcome).inc()
        ended = Ended(seen.series, outcome, seen.trace)
        if seen.moments.began is not None:
            ended.observe(seen.at - seen.moments.began)
        elif len(self.unread) < UNREAD_MAX:
            self.unread[seen.run.id] = ended
        self._moments.forget(seen.run.id)

    # Units: nodes, items, undoings

    def _unit(self, seen: _Commit, fact: Fact) -> UnitMoments:
        assert fact.node is not None, "a fact of a node names it"
        return self._moments.unit(seen.moments, fact.node, at=seen.at)

    def _began(self, seen: _Commit, fact: Fact) -> None:
        self._unit(seen, fact).offered = None

    def _ready(self, seen: _Commit, fact: Fact) -> None:
        unit = self._unit(seen, fact)
        if "paused" in fact.data:
            unit.offered = None
        elif unit.offered is None or unit.attempt != fact.attempt:
            unit.offered, unit.attempt = seen.at, fact.attempt or 0

    def _started(self, seen: _Commit, fact: Fact) -> None:
        unit = self._unit(seen, fact)
        if "runner" not in fact.data:
            return  # a sub-workflow: nobody claims it
        unit.is_held = True
        if unit.offered is not None and unit.attempt == fact.attempt:
            pool = _pool(seen, fact.node)
            self._series.wait(seen.run.project, pool).observe(seen.at - unit.offered, seen.trace)
        unit.offered = None

    def _released(self, seen: _Commit, fact: Fact) -> None:
        """Its time counts if it had begun: then its agent waits for a person, or its run is to pause."""
        unit = self._unit(seen, fact)
        outcome = "parked" if "question" in fact.data else "released"
        self._attempt_ended(seen, fact, unit, outcome, _agent(seen, fact.node))

    def _repeated(self, seen: _Commit, fact: Fact) -> None:
        unit = self._unit(seen, fact)
        self._attempt_ended(seen, fact, unit, "succeeded", _agent(seen, fact.node))

    def _attempt_failed(self, seen: _Commit, fact: Fact) -> None:
        unit = self._unit(seen, fact)
        self._attempt_ended(seen, fact, unit, "failed", _agent(seen, fact.node))
        failure = fact.data["failure"]
        assert isinstance(failure, Failure), "an attempt fails of something"
        seen.series.retries(failure.error_class).inc()

    def _node_ended(self, seen: _Commit, fact: Fact) -> None:
        assert fact.node is not None, "a fact of a node names it"
        outcome = _OUTCOMES[fact.kind]
        unit = self._moments.end_unit(seen.moments, fact.node)
        series = _agent(seen, fact.node)
        self._attempt_ended(seen, fact, unit, outcome, series)
        if fact.node not in seen.run.plan.nodes:
            return  # an item or an undoing: a part of its node
        series.ended(outcome).inc()
        if unit is not None:
            series.seconds.observe(seen.at - unit.first, seen.trace)

    def _undone(self, seen: _Commit, fact: Fact) -> None:
        seen.series.undone(_UNDONE[fact.kind]).inc()

    def _attempt_ended(
        self, seen: _Commit, fact: Fact, unit: UnitMoments | None, outcome: str, series: AgentSeries
    ) -> None:
        """If it was an attempt that a runner had: only of those a result tells the time, or a lease lapses."""
        was_held = unit is not None and unit.is_held
        if unit is not None:
            unit.is_held, unit.offered = False, None
        seconds = fact.data.get("seconds")
        if isinstance(seconds, float):
            series.attempts(outcome).inc()
            self._count_time(seen, series, max(0.0, seconds))
            if "usage" in fact.data:
                self._count_usage(seen, fact)
        elif _has_lapsed(fact, was_held):
            series.attempts("lapsed").inc()
            self._series.lapsed(seen.run.project, _pool(seen, fact.node)).inc()

    def _count_time(self, seen: _Commit, series: AgentSeries, seconds: float) -> None:
        series.execution.inc(seconds)
        if self._second_price:
            seen.series.dollars("execution").inc(seconds * self._second_price)

    def _count_usage(self, seen: _Commit, fact: Fact) -> None:
        for used in models_of(fact):
            series = seen.series.model(used.model)
            series.tokens_in.inc(used.tokens_in)
            series.tokens_out.inc(used.tokens_out)
            if used.unpriced:
                series.unknown.inc(used.unpriced)
            if used.unpriced < used.calls:
                seen.series.dollars("llm").inc(used.cost_dollars)


_OUTCOMES = {
    Kind.NODE_SUCCEEDED: "succeeded",
    Kind.NODE_FAILED: "failed",
    Kind.NODE_SKIPPED: "skipped",
    Kind.NODE_CANCELLED: "cancelled",
}
_UNDONE = {
    Kind.NODE_COMPENSATED: "succeeded",
    Kind.NODE_COMPENSATION_FAILED: "failed",
    Kind.NODE_COMPENSATION_SKIPPED: "skipped",
}


def _agent(seen: _Commit, unit: str | None) -> AgentSeries:
    """Of what the unit runs: an agent, or what kind of node it is."""
    assert unit is not None, "a fact of a node names it"
    plan = seen.run.plan
    agent = plan.work(unit).agent
    if agent is None:
        kind = plan.planned(unit).definition.kind
        agent = str(NodeKind.WORKFLOW if kind is NodeKind.AGENT else kind)
    return seen.series.agent(agent)


def _pool(seen: _Commit, unit: str | None) -> str:
    assert unit is not None, "a fact of a node names it"
    return seen.run.plan.work(unit).pool


def _has_lapsed(fact: Fact, was_held: bool) -> bool:
    """Of what a runner had, only the end of the lease takes it away without a result."""
    if fact.kind is Kind.NODE_CANCELLED:
        return was_held
    failure = fact.data.get("failure")
    return isinstance(failure, Failure) and failure.type == LAPSED


def models_of(fact: Fact) -> Sequence[ModelUsage]:
    """What the attempt that ended told of its models."""
    used = fact.data["usage"]
    models = used["models"] if isinstance(used, Mapping) else ()
    return models if isinstance(models, tuple) else ()
