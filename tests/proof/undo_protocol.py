"""The undoing of a small run as a finite model: the real `decide`, runners that may do anything, people that may want
anything at any moment, and an orchestrator that may die after each commit with all that it was to send.

A state is what the database holds, and which offers are on the bus. Numbers that only grow are counted from where
they matter: attempts from the first of their budget, completions by their order. So whatever people repeat for ever
leads back to states that are known.
"""

from collections.abc import Iterator
from typing import NamedTuple

from orchestrator.domain import decide as core
from orchestrator.domain.decision import Outcome, PublishReady
from orchestrator.domain.events import (
    Answered,
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    CancelRequested,
    CompensateRequested,
    LeaseLapsed,
    PauseRequested,
    ReadyWentUnclaimed,
    ResumeRequested,
    RetryCameDue,
    RetryRequested,
    RunEvent,
    SkipRequested,
)
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.rebuild import rebuild
from orchestrator.domain.run import RUN_ENDED, Run, RunState
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.value import replace
from penstock.contracts.workflow import Compensation, CompensationPolicy, OnFailure
from tests.builders import BROKEN, NO_RETRY, RUN_ID, SHAKY, evaluate, node, plan, retrying, token
from tests.proof.model_check import Report
from tests.proof.model_check import check as explore

UNDO = Compensation(agent="undoer", retry=retrying(2))
QUESTION = AgentQuestion("go", "Go on?")
HOLDER, STRANGER = token("holder"), token("stranger")
VERSION = 100  # stands for every version: above all places of completion
OPEN = {NodeState.READY, NodeState.RUNNING, NodeState.BACKOFF, NodeState.SUSPENDED}
WISHES: tuple[RunEvent, ...] = (
    CancelRequested("ada", "enough"),
    CompensateRequested("ada", "a mistake"),
    PauseRequested("ada"),
    ResumeRequested("ada"),
    RetryRequested("ada"),
    SkipRequested("ada"),
)


class World(NamedTuple):
    """`row` is an index into the model's table; `offered`: the units that a runner may be told of."""

    row: int
    offered: frozenset[str]


class UndoProtocol:
    """Two nodes that can be undone, one after the other or side by side. `with_sweep=False`: no clock."""

    def __init__(self, policy: CompensationPolicy, *, chained: bool, with_sweep: bool = True) -> None:
        nodes = (
            node("a", retry=NO_RETRY, compensate=UNDO),
            node("b", *(["a"] if chained else []), retry=NO_RETRY, compensate=UNDO),
        )
        self._plan = plan(*nodes, on_failure=OnFailure.COMPENSATE, compensation_policy=policy)
        self._with_sweep = with_sweep
        self._rows: list[Run] = []
        self._index: dict[Run, int] = {}

    def explore(self) -> Report:
        begun = core.begin(id=RUN_ID, project="default", plan=self._plan, input=b"{}", evaluate=evaluate)
        offered = frozenset(name for name, unit in begun.run.nodes.items() if unit.state is NodeState.READY)
        start = World(self._row_of(begun.run), offered)
        return explore(
            start, successors=self.successors, has_ended=self.has_ended, assert_safe=self._assert_safe
        )

    def has_ended(self, world: World) -> bool:
        return self._rows[world.row].state in RUN_ENDED

    def successors(self, world: World) -> Iterator[tuple[str, World]]:
        run = self._rows[world.row]
        for name in world.offered:
            yield f"lost: the offer of {name}", world._replace(offered=world.offered - {name})
        for event in self._possible(run, world.offered):
            for label, following in self._commit(world, run, event):
                yield f"{event}{label}", following
        for event in _from_strangers(run):
            decision = core.decide(run, event, evaluate=evaluate)
            assert decision.outcome is not Outcome.APPLIED, f"{event} was accepted from one who holds nothing"

    def _possible(self, run: Run, offered: frozenset[str]) -> Iterator[RunEvent]:
        yield from WISHES
        for name, unit in run.nodes.items():
            attempt = unit.attempt
            if name in offered:
                yield AttemptClaimed(name, attempt, HOLDER, "r")
            if unit.state is NodeState.RUNNING:
                yield AttemptSucceeded(name, attempt, HOLDER, b"{}")
                yield AttemptFailed(name, attempt, HOLDER, BROKEN, 0.0)
                yield AttemptFailed(name, attempt, HOLDER, SHAKY, 0.0)
                yield AttemptReleased(name, attempt, HOLDER)
                yield AttemptParked(name, attempt, HOLDER, QUESTION)
                if self._with_sweep:
                    yield LeaseLapsed(name, attempt, HOLDER, 0.0)
            elif unit.state is NodeState.SUSPENDED:
                yield Answered(name, True, "ada", question=QUESTION.key)
            elif unit.state is NodeState.BACKOFF and self._with_sweep:
                yield RetryCameDue(name, attempt)
            elif unit.state is NodeState.READY and self._with_sweep:
                yield ReadyWentUnclaimed(name, attempt, unit.publication)

    def _commit(self, world: World, run: Run, event: RunEvent) -> Iterator[tuple[str, World]]:
        """What is committed; then the world is told, or the orchestrator dies before."""
        decision = core.decide(run, event, evaluate=evaluate)
        if decision.outcome is not Outcome.APPLIED:
            assert decision.run is run, "an event without effect changed the run"
            return
        _assert_step(run, decision.run)
        row = self._row_of(decision.run)
        ready = {name for name, unit in self._rows[row].nodes.items() if unit.state is NodeState.READY}
        told = {order.node for order in decision.commands if isinstance(order, PublishReady)}
        yield "", World(row, (world.offered | told) & ready)
        if told:
            yield " and dies", World(row, world.offered & ready)

    def _assert_safe(self, world: World) -> None:
        run = self._rows[world.row]
        states = {name: unit.state for name, unit in run.nodes.items()}
        undoing = [name for name, state in states.items() if state is NodeState.COMPENSATING]
        assert len(undoing) <= 1, f"{undoing} are undone at once"
        if run.state in (RunState.COMPENSATING, RunState.COMPENSATED):
            going_on = [name for name in ("a", "b") if states[name] in OPEN]
            assert not going_on, f"{going_on} go on in a run that is undone"
        if run.state is RunState.COMPENSATED:
            left = [
                name for name, state in states.items() if state is NodeState.SUCCEEDED and ":" not in name
            ]
            assert not left, f"{left} are left in a run that is undone"

    def _row_of(self, run: Run) -> int:
        """The run as it comes back from the database, without what grows for ever or is for people only."""
        places = sorted(unit.completed for _, unit in run.nodes.items() if unit.completed is not None)
        kept = {
            name: _kept(unit, places.index(unit.completed) if unit.completed is not None else None)
            for name, unit in run.nodes.items()
            if unit.has_row
        }
        failure = run.failure and BROKEN
        blank = replace(run, version=VERSION, nodes=self._plan.beginning, failure=failure)
        key = replace(
            blank,
            nodes=tuple(sorted(kept.items())),  # type: ignore[type-var]
            plan=None,
            open_nodes=0,
            active_nodes=0,
            failed_nodes=0,
            labels=None,
            pins=None,
            pause=run.pause and run.pause.cause,
            undo=run.undo is None,
        )
        if key not in self._index:
            self._index[key] = len(self._rows)
            self._rows.append(rebuild(blank, kept))
        return self._index[key]


def _kept(unit: Node, place: int | None) -> Node:
    """An attempt counts from the first of its budget; before that there is only the one that was given back."""
    attempt = unit.attempt - unit.first_attempt + 1
    return replace(
        unit,
        attempt=max(attempt, 0),
        first_attempt=1 + max(-attempt, 0),
        publication=min(unit.publication, 1),
        runner=unit.runner and "r",
        failure=unit.failure and BROKEN,
        completed=place,
        answers=None,  # the agent may ask again, for all that the undoing cares
        unresolved=0,
        was_reset=False,
        wake_in=None,
        deadline_in=None,
    )


def _assert_step(before: Run, after: Run) -> None:
    """What is undone next succeeded last, and what is undone stays so."""
    for name, unit in after.nodes.items():
        old = before.nodes.get(name) or Node()
        if old.state is NodeState.COMPENSATED or (":" in name and old.state is NodeState.SUCCEEDED):
            assert unit.state is old.state, f"'{name}' was undone and is now {unit.state}"
        if unit.state is NodeState.COMPENSATING and old.state is NodeState.SUCCEEDED:
            assert unit.completed is not None, f"'{name}' is undone but never succeeded"
            later = [
                other
                for other, done in after.nodes.items()
                if done.state is NodeState.SUCCEEDED
                and ":" not in other
                and (done.completed or 0) > unit.completed
            ]
            assert not later, f"'{name}' is undone before {later}"


def _from_strangers(run: Run) -> Iterator[RunEvent]:
    """Results of attempts that somebody else holds now, or that are over."""
    for name, unit in run.nodes.items():
        if unit.attempt > 0:
            yield AttemptSucceeded(name, unit.attempt, STRANGER, b"{}")
            yield AttemptSucceeded(name, unit.attempt - 1, HOLDER, b"{}")
            yield LeaseLapsed(name, unit.attempt, STRANGER, 0.0)
