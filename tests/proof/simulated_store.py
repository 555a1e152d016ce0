"""The database of the simulation: rows, a conditional save that refuses as a whole, and what is due when."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from orchestrator.domain.decision import Decision, Fact
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.plan import Plan
from orchestrator.domain.rebuild import catch_up, rebuild, tell_all, units_named
from orchestrator.domain.run import Run, RunState
from penstock.contracts.limits import LEASE
from penstock.contracts.value import replace

LOOKED_AT_AGAIN_S = 10.0  # as in store/timers.py


class Stale(Exception):
    """The run changed since it was read, or a node is not in the expected attempt: nothing was written."""


class NodeRow:
    def __init__(self, node: Node, wake_at: float | None, deadline_at: float | None) -> None:
        self.node = node
        self.wake_at = wake_at
        self.deadline_at = deadline_at


class SimulatedStore:
    """One run, as its rows. `published` is the last event that went out, as in the real table."""

    def __init__(self, plan: Plan, begun: Decision, *, now: float) -> None:
        self._plan = plan
        self._run = begun.run  # of it only what a row holds is read
        self.rows: dict[str, NodeRow] = {}
        self.events: list[Fact] = []
        self.published = 0
        self.deadline_at: float | None = None
        self._write(begun, now)

    @property
    def version(self) -> int:
        return self._run.version

    @property
    def state(self) -> RunState:
        return self._run.state

    def load(self) -> Run:
        """A new value from rows only: nothing of what the core had in memory comes back."""
        blank = replace(self._run, nodes=self._plan.beginning)
        return rebuild(blank, {name: row.node for name, row in self.rows.items()})

    def load_since(self, known: Run) -> Run:
        """As store/load.py does it: only the nodes that the events since `known` name, unless they name the run."""
        news = self.events[known.version :]
        if not tell_all(self._run.state, [fact.kind for fact in news]):
            return self.load()
        names = units_named(fact.node for fact in news if fact.node is not None)
        blank = replace(self._run, nodes=self._plan.beginning)
        return catch_up(blank, known, {name: self.rows[name].node for name in names if name in self.rows})

    def save(self, before: Run, decision: Decision, *, now: float) -> None:
        """As sql/save.sql does it: refused unless the run and every node are what the decision was made on."""
        if before.version != self.version:
            raise Stale
        for name in decision.changed:
            old, row = before.nodes.get(name) or Node(), self.rows.get(name)
            assert old.has_row == (row is not None), f"'{name}': insert or update, the core is wrong"
            if row is not None and (row.node.attempt, row.node.token) != (old.attempt, old.token):
                raise Stale
        self._write(decision, now)

    def renew(self, token: UUID, *, now: float) -> bool | None:
        """Whether the attempt goes on; False: held, but to be stopped; None: lost."""
        for row in self.rows.values():
            if row.node.token == token:
                row.wake_at = now + LEASE.total_seconds()
                return self.state is not RunState.CANCELLING
        return None

    def due(self, now: float) -> Iterator[tuple[str, Node, bool]]:
        """Units whose timer has passed, and whether their deadline has. What waits without a runner is set to
        be looked at again, whatever becomes of it now."""
        for name, row in self.rows.items():
            if row.wake_at is None or row.wake_at > now:
                continue
            node = row.node
            if node.token is None and node.state in (NodeState.RUNNING, NodeState.SUSPENDED):
                row.wake_at = now + LOOKED_AT_AGAIN_S
            yield name, node, row.deadline_at is not None and row.deadline_at <= now

    def unpublished(self) -> Iterable[Fact]:
        return self.events[self.published :]

    def _write(self, decision: Decision, now: float) -> None:
        run = decision.run
        for name in decision.changed:
            self.rows[name] = _row(run.nodes[name], self.rows.get(name), now)
        self.events.extend(decision.facts)
        assert len(self.events) == run.version, "the timeline has a gap, or the version counts something else"
        was_running = self.deadline_at is not None
        self._run = run
        if run.state is not RunState.RUNNING:
            self.deadline_at = None
        elif not was_running:
            self.deadline_at = now + self._plan.definition.timeout.total_seconds()


def _row(node: Node, before: NodeRow | None, now: float) -> NodeRow:
    """Columns only: what a row does not hold must not come back by way of the simulation."""
    kept = replace(node, unresolved=0, wake_in=None, wake_until=None, deadline_in=None, was_reset=False)
    deadline_at = _deadline(node, before, now)
    moments = [] if node.wake_in is None else [now + node.wake_in.total_seconds()]
    if node.state is NodeState.SUSPENDED and deadline_at is not None:
        moments.append(deadline_at)
    return NodeRow(kept, min(moments, default=None), deadline_at)


def _deadline(node: Node, before: NodeRow | None, now: float) -> float | None:
    if node.deadline_in is not None:
        return now + node.deadline_in.total_seconds()
    if before is None or node.state not in (NodeState.SUSPENDED, NodeState.RUNNING):
        return None
    same = (before.node.state, before.node.attempt) == (node.state, node.attempt)
    return before.deadline_at if same else None
