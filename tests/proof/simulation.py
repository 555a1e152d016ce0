"""A whole run in a faulty world: virtual clock, lossy bus, orchestrators and runners that die; the real core.

In the order of a simulated moment: something happens (`_at`), an orchestrator decides on what it remembers or
reads back (`take`), the store saves or refuses, every invariant is asked, then the world is told (`_publish`).
After `CALM_AT_S` no new faults are drawn, and people tend to what waits for them: from there on every run has to
end.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from random import Random
from uuid import UUID

from orchestrator.domain import decide as core
from orchestrator.domain.decision import Command, Decision, Outcome, PublishReady, StopAttempt
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    CompensateRequested,
    DeadlinePassed,
    LeaseLapsed,
    ReadyWentUnclaimed,
    Refusal,
    RetryCameDue,
    RetryRequested,
    RunEvent,
    SlotGranted,
    TimerWentOff,
)
from orchestrator.domain.invariants import check
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.plan import make_plan
from orchestrator.domain.run import RUN_ENDED, Run, RunState
from penstock.contracts import graph
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import WorkflowDefinition
from tests.builders import RUN_ID, evaluate
from tests.proof.faults import Faults
from tests.proof.features import INPUT
from tests.proof.simulated_budgets import SimulatedBudgets
from tests.proof.simulated_effects import SimulatedEffects
from tests.proof.simulated_people import STARTER, SimulatedPeople
from tests.proof.simulated_runner import SimulatedRunner
from tests.proof.simulated_store import SimulatedStore, Stale
from tests.proof.timeline_oracle import Timeline

SWEEP_EVERY_S = 5.0
CALM_AT_S = 1_800.0
HORIZON_S = 40_000.0
STEPS_MAX = 100_000
RETRIES_MAX = 2
SAVE_TRIES_MAX = 3
TOOK_EFFECT = (Outcome.APPLIED, Outcome.HELD)
BREAKER = Refusal("breaker", "worker", "the breaker of 'worker' is open", wait_s=20.0)


class Simulation:
    """One run of one workflow. `with_sweep=False` leaves out the clock's door; `fork`: the run goes on from another
    simulated one."""

    def __init__(
        self,
        definition: WorkflowDefinition,
        faults: Faults,
        random: Random,
        *,
        with_sweep: bool = True,
        fork: core.Fork | None = None,
    ) -> None:
        self.random = random
        self.faults = faults
        self.now = 0.0
        self._with_sweep = with_sweep
        self._queue: list[tuple[float, int, Callable[[], object]]] = []
        self._counter = 0
        self._wishes = 0
        self._granted: dict[tuple[str, int], UUID] = {}
        plan = make_plan(definition, version=1)
        begun = core.begin(
            id=RUN_ID,
            project="default",
            plan=plan,
            input=INPUT,
            evaluate=evaluate,
            by=STARTER,
            concurrency_key="key" if faults.queued else None,
            queued=faults.queued,
            fork=fork,
        )
        self.timeline = Timeline(definition, graph.edges(definition), started_by=STARTER)
        self.store = SimulatedStore(plan, begun, now=0.0)
        self._memories: list[Run | None] = [None] * faults.orchestrators
        self._is_stale = [False] * faults.orchestrators
        self._runners = [SimulatedRunner(self, f"r{index}") for index in range(faults.runners)]
        self.effects = SimulatedEffects(self)
        self._check(begun)
        self._publish(begun)
        self._people = SimulatedPeople(self)
        SimulatedBudgets(self)

    def run(self) -> Run:
        """Let the world go on until nothing happens any more; the run must have ended by then."""
        if self._with_sweep:
            self.after(SWEEP_EVERY_S, self._sweep)
        for _ in range(STEPS_MAX):
            if not self._queue or self.now > HORIZON_S:
                break
            self.now, _, happen = heappop(self._queue)
            happen()
        assert self.store.state in RUN_ENDED, f"the run never ended; it is {self.store.state.value}"
        return self.store.load()

    def after(self, delay_s: float, happen: Callable[[], object]) -> None:
        self._counter += 1
        heappush(self._queue, (self.now + delay_s, self._counter, happen))

    def is_calm(self) -> bool:
        return self.now >= CALM_AT_S

    def chance(self, probability: float) -> bool:
        return not self.is_calm() and self.random.random() < probability

    def send(self, arrive: Callable[[], object]) -> None:
        """A message on its way: lost, or once, or twice; early or late."""
        if self.chance(self.faults.drop):
            return
        for _ in range(2 if self.chance(self.faults.duplicate) else 1):
            self.after(self.random.uniform(0, self.faults.delay_s_max), arrive)

    def attempt_of(self, unit: str) -> int:
        return self.store.rows[unit].node.attempt

    def output_of(self, unit: str, attempt: int) -> bytes:
        """What the work of this attempt gives; it names its unit, so that lists can be judged."""
        go = "true" if self.random.random() < 0.7 else "false"
        return f'{{"go": {go}, "x": {attempt}, "unit": "{unit}"}}'.encode()

    def claim(self, event: AttemptClaimed, answer: Callable[[bool], None]) -> None:
        """As the door of claims does it: the answer is whether the decision was timely."""
        if self.chance(self.faults.held):
            event = replace(event, refusal=BREAKER)
        decision = self.take(event)
        if decision is None:
            return
        is_granted = decision.outcome in (Outcome.APPLIED, Outcome.REPEATED)
        if is_granted:
            holder = self._granted.setdefault((event.node, event.attempt), event.token)
            assert holder == event.token, f"'{event.node}' attempt {event.attempt} was granted to two"
        self.send(lambda: answer(is_granted))

    def take(self, event: RunEvent) -> Decision | None:
        """One orchestrator handles one event; None if it died before it could tell anybody."""
        which = self.random.randrange(len(self._memories))
        for _ in range(SAVE_TRIES_MAX):
            run = self._recall(which)
            try:
                decision = core.decide(run, event, evaluate=evaluate)
            except core.UnknownNode:
                assert run.version != self.store.version, "an event of a unit that nobody knows"
                self._is_stale[which] = True
                continue
            if decision.outcome not in TOOK_EFFECT:
                assert decision.run is run, "an event without effect changed the run"
                if run.version != self.store.version:
                    self._is_stale[which] = True  # turned down by a memory that is old: look again
                    continue
                self._memories[which] = run
                self._carry_out(decision.commands)
                return decision
            if self.chance(self.faults.crash_before_commit):
                self._memories[which] = None
                return None
            try:
                self._save(run, event, decision)
            except Stale:
                self._is_stale[which] = True
                continue
            return self._committed(which, decision)
        raise AssertionError("a fresh read is stale")

    def slip_in(self, event: RunEvent) -> Decision:
        """What changes no node, taken at once and without a throw of the world's dice: whoever was up to date is so
        again before it decides, and what is still to be published stays so."""
        version, published = self.store.version, self.store.published
        run = self.store.load()
        decision = core.decide(run, event, evaluate=evaluate)
        if decision.outcome not in TOOK_EFFECT:
            return decision
        assert not decision.changed, f"{event} changes a node"
        assert not decision.commands, f"{event} orders something"
        self._save(run, event, decision)
        for which, known in enumerate(self._memories):
            self._is_stale[which] |= known is not None and known.version == version
        if published == version:
            self.store.published = self.store.version
        return decision

    def _recall(self, which: int) -> Run:
        """The run as this orchestrator remembers it; when that is old, caught up with what happened since."""
        known = self._memories[which]
        if known is None:
            return self.store.load()
        if not self._is_stale[which]:
            return known
        run, whole = self.store.load_since(known), self.store.load()
        for name, node in run.nodes.items():
            assert _stored(whole, node) == _stored(whole, whole.nodes[name]), (
                f"'{name}' is caught up with as another node"
            )
        assert replace(run, nodes=whole.nodes) == whole, "the run is caught up with as another run"
        self._memories[which], self._is_stale[which] = run, False
        return run

    def _save(self, run: Run, event: RunEvent, decision: Decision) -> None:
        """Only who holds the lease in the database may end an attempt."""
        rows = {name: row.node for name, row in self.store.rows.items()}
        self.store.save(run, decision, now=self.now)
        if isinstance(event, (AttemptSucceeded, AttemptFailed, AttemptReleased, AttemptParked)):
            holder = (rows[event.node].attempt, rows[event.node].token)
            was_held = holder == (event.attempt, event.token)
            assert was_held, f"a result of '{event.node}' was recorded for one who does not hold it"
        kinds = {fact.kind for fact in decision.facts if fact.node == getattr(event, "node", None)}
        if isinstance(event, AttemptSucceeded):
            assert Kind.NODE_CANCELLED not in kinds, f"the success of '{event.node}' was thrown away"
        if isinstance(event, AttemptClaimed) and event.refusal is not None:
            assert Kind.NODE_STARTED not in kinds, f"'{event.node}' started though its breaker is open"
        self._check(decision)

    def _committed(self, which: int, decision: Decision) -> Decision | None:
        if decision.run.state in RUN_ENDED:
            self._maybe_wish(decision.run.state)
        if self.chance(self.faults.crash_after_commit):
            self._memories[which] = None
            if self.faults.relay_repeats:
                self.after(2.0, self._relay)
            return None
        self._memories[which] = decision.run
        self._publish(decision)
        return decision

    def _check(self, decision: Decision) -> None:
        """What was committed is consistent, can be read back, and makes a possible timeline."""
        check(decision.run)
        self.timeline.read(decision.facts)
        for fact in decision.facts:
            self.effects.children.judge(fact)
        read_back = self.store.load()
        for name, node in decision.run.nodes.items():
            stored, again = _stored(decision.run, node), _stored(decision.run, read_back.nodes[name])
            assert stored == again, f"'{name}' comes back as another node"
            told = self.timeline.states.get(name, "waiting")
            assert told == node.state.value, f"'{name}' is told otherwise: {told}, but is {node.state.value}"
        assert replace(decision.run, nodes=read_back.nodes) == read_back, "the run comes back as another run"
        self.timeline.judge_lists(decision.run.nodes)

    def _publish(self, decision: Decision) -> None:
        self.store.published = decision.run.version
        self._carry_out(decision.commands)

    def _carry_out(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, PublishReady):
                self._offer(command.node, command.attempt)
            elif isinstance(command, StopAttempt):
                runner = next(runner for runner in self._runners if runner.name == command.runner)
                token = command.token
                self.send(lambda runner=runner, token=token: runner.stop(token))
            else:
                self.effects.order(command)

    def _offer(self, name: str, attempt: int) -> None:
        """To whoever takes it: a work queue."""
        self.send(lambda: self.random.choice(self._runners).get_ready(name, attempt))

    def _relay(self) -> None:
        """What an orchestrator that died had not published, from the timeline."""
        for fact in self.store.unpublished():
            if fact.kind is Kind.NODE_READY and fact.node is not None and fact.attempt is not None:
                self._offer(fact.node, fact.attempt)
        self.store.published = self.store.version

    def _maybe_wish(self, state: RunState) -> None:
        """Some want an ended run to go on, and some want it undone."""
        if self._wishes >= RETRIES_MAX:
            return
        wishes: list[RunEvent] = []
        if state in (RunState.FAILED, RunState.CANCELLED) and self.random.random() < self.faults.retry:
            wishes.append(RetryRequested(by="ada"))
        if state is not RunState.COMPENSATED and self.random.random() < self.faults.compensate:
            wishes.append(CompensateRequested(by="ada", reason="it was all a mistake"))
        if wishes:
            self._wishes += 1
            wish = self.random.choice(wishes)
            self.after(self.random.uniform(0, 60), lambda: self.take(wish))

    def _sweep(self) -> None:
        """The clock's door reads what is due and hands it in a little later: it may be out of date by then."""
        if self.store.state in RUN_ENDED and not self._queue:
            return
        self.after(SWEEP_EVERY_S, self._sweep)
        due = [
            _timer_of(name, node, overdue, self.random) for name, node, overdue in self.store.due(self.now)
        ]
        deadline = self.store.deadline_at
        if deadline is not None and deadline <= self.now:
            due.append(DeadlinePassed())
        if self.store.state is RunState.QUEUED and self.random.random() < 0.1:
            due.append(SlotGranted())
        for event in due:
            self.after(self.random.uniform(0, 2), lambda event=event: self.take(event))
        if self.is_calm():
            self._people.tend()


def _timer_of(name: str, node: Node, overdue: bool, random: Random) -> RunEvent:
    if node.state is NodeState.READY:
        return ReadyWentUnclaimed(node=name, attempt=node.attempt, publication=node.publication)
    if node.state is NodeState.BACKOFF:
        return RetryCameDue(node=name, attempt=node.attempt)
    if node.token is None:
        assert node.state in (NodeState.SUSPENDED, NodeState.RUNNING), (
            f"'{name}' has a timer but is {node.state}"
        )
        return TimerWentOff(name, node.attempt, overdue)
    return LeaseLapsed(node=name, attempt=node.attempt, token=node.token, spread=random.uniform(-1, 1))


def _stored(run: Run, node: Node) -> Node:
    """The moments of the next look lie with the store; what a node waits for is counted anew
    when a run that stood still goes on."""
    unresolved = 0 if run.state in (RunState.PAUSED, RunState.QUEUED) else node.unresolved
    return replace(node, wake_in=None, wake_until=None, deadline_in=None, unresolved=unresolved)
