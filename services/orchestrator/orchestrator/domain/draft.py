"""A decision while it is being made: what has changed so far. Lives within one call of the core only."""

from collections import deque

from orchestrator.domain.decision import Command, Decision, Fact, Outcome, PublishReady
from orchestrator.domain.invariants import check_ends
from orchestrator.domain.node import NODE_ACTIVE, NODE_ENDED, Node, NodeState
from orchestrator.domain.run import Run, RunState
from orchestrator.domain.steps import NODE_STEPS, RUN_STEPS
from penstock.contracts.template import Evaluate
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.workflow import Json


class Draft:
    """Collects changes to `run`; `decision()` makes them one new value. The only mutable thing in the core."""

    __slots__ = (
        "_changes",
        "_commands",
        "_facts",
        "active_nodes",
        "cancel_reason",
        "decoded",
        "ended",
        "evaluate",
        "failed_nodes",
        "failure",
        "open_nodes",
        "output",
        "pause",
        "plan",
        "run",
        "state",
        "undo",
        "undo_order",
    )

    def __init__(self, run: Run, evaluate: Evaluate) -> None:
        self.run = run
        self.plan = run.plan
        self.evaluate = evaluate
        self.state = run.state
        self.open_nodes = run.open_nodes
        self.active_nodes = run.active_nodes
        self.failed_nodes = run.failed_nodes
        self.failure = run.failure
        self.output = run.output
        self.cancel_reason = run.cancel_reason
        self.pause = run.pause
        self.undo = run.undo
        self.undo_order = run.undo_order
        self.ended: deque[str] = deque()  # units whose end has not been followed up yet
        self.decoded: dict[str, Json] = {}  # outputs that expressions asked for, decoded once
        self._changes: dict[str, Node] = {}
        self._facts: list[Fact] = []
        self._commands: list[Command] = []

    def node(self, name: str) -> Node:
        return self._changes.get(name) or self.run.nodes[name]

    def unit(self, name: str) -> Node | None:
        """The item or undoing of this name, if it has begun."""
        return self._changes.get(name) or self.run.nodes.get(name)

    def units(self) -> list[tuple[str, Node]]:
        """All units as they are now. O(units)."""
        known = [(name, self._changes.get(name, node)) for name, node in self.run.nodes.items()]
        return known + [(name, node) for name, node in self._changes.items() if name not in self.run.nodes]

    def put(self, name: str, node: Node) -> None:
        """Give a unit its new value, and keep the counters."""
        known = self._changes.get(name) or self.run.nodes.get(name)
        old, new = NodeState.WAITING if known is None else known.state, node.state
        self._changes[name] = node
        if old is new:
            return
        assert (old, new) in NODE_STEPS, f"no node goes from {old} to {new}"
        self.active_nodes += (new in NODE_ACTIVE) - (old in NODE_ACTIVE)
        ends = (new in NODE_ENDED) - (old in NODE_ENDED)
        if name in self.plan.nodes:
            self.open_nodes -= ends
            self.failed_nodes += (new is NodeState.FAILED) - (old is NodeState.FAILED)
        if ends > 0:
            self.ended.append(name)

    def take(self, name: str, node: Node) -> None:
        """Begin with a node that has ended elsewhere; nobody needs to be told."""
        assert self.run.version == 0, "only a new run takes something over"
        self._changes[name] = node
        self.open_nodes -= 1

    @property
    def next_version(self) -> int:
        """What the next fact will make the run's version."""
        return self.run.version + len(self._facts) + 1

    def move(self, state: RunState) -> None:
        """Give the run its new state."""
        assert (self.state, state) in RUN_STEPS, f"no run goes from {self.state} to {state}"
        self.state = state

    def tell(self, kind: Kind, /, **data: Json) -> None:
        """A fact about the run."""
        self._facts.append(Fact(kind=kind, data=data))

    def tell_of(self, kind: Kind, name: str, attempt: int, /, **data: Json) -> None:
        """A fact about a node; an attempt of 0 says that it never had one."""
        self._facts.append(Fact(kind=kind, node=name, attempt=attempt or None, data=data))

    def order(self, command: Command) -> None:
        self._commands.append(command)

    @property
    def orders(self) -> tuple[Command, ...]:
        return tuple(self._commands)

    def decision(self, outcome: Outcome = Outcome.APPLIED) -> Decision:
        run = replace(
            self.run,
            state=self.state,
            version=self.run.version + len(self._facts),
            nodes=self.run.nodes.with_changes(self._changes),
            open_nodes=self.open_nodes,
            active_nodes=self.active_nodes,
            failed_nodes=self.failed_nodes,
            output=self.output,
            failure=self.failure,
            cancel_reason=self.cancel_reason,
            pause=self.pause,
            undo=self.undo,
            undo_order=self.undo_order,
        )
        check_ends(run)
        assert self._facts, "a change without a fact: the run's version would not tell it"
        return Decision(
            run=run,
            outcome=outcome,
            commands=tuple([command for command in self._commands if self._stands(command)]),
            facts=tuple(self._facts),
            changed=tuple([name for name, node in self._changes.items() if node.has_row]),
        )

    def _stands(self, command: Command) -> bool:
        """An offer made early in a decision may be void at its end: another node failed and stopped the run."""
        return not isinstance(command, PublishReady) or self.node(command.node).state is NodeState.READY
