"""Runs of sub-workflows, played by the simulation: started once for each attempt, cancelled, undone, ended.

What is asked of them comes late, twice or never; and so does what they tell. As in `engine/effects.py`, whoever is
asked about a run that has ended tells its end again.
"""

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from orchestrator.domain.decision import CancelChild, CompensateChild, Fact, StartChild
from orchestrator.domain.events import ChildEnded, ChildStarted
from orchestrator.domain.run import RunState
from penstock.contracts.failure import Failure
from tests.builders import BROKEN, RUN_ID, SHAKY

if TYPE_CHECKING:
    from tests.proof.simulation import Simulation

WORK_S_MAX = 90.0
STOP_S_MAX = 20.0
GOES_ON = ("running", "compensating")


class Child:
    def __init__(self, run: UUID, node: str, attempt: int) -> None:
        self.run = run
        self.node = node
        self.attempt = attempt
        self.state = "running"
        self.failure: Failure | None = None
        self.undone = 0  # how often its undoing began


class SimulatedChildren:
    """All runs that the simulated one started as its sub-workflows."""

    def __init__(self, world: "Simulation") -> None:
        self._world = world
        self.by_run: dict[UUID, Child] = {}
        self.given_up: dict[str, int] = {}  # unit → how often the undoing of its run was given up

    def start(self, order: StartChild) -> None:
        """The same run for the same attempt, however often it is asked for; some cannot be started at all."""
        world = self._world
        run = uuid5(RUN_ID, f"{order.node}/{order.attempt}")
        if run.int % 100 < world.faults.child_refused * 100:
            refused = ChildEnded(order.node, order.attempt, None, "failed", failure=BROKEN)
            world.send(lambda: world.take(refused))
            return
        child = self.by_run.get(run)
        if child is None:
            child = self.by_run[run] = Child(run, order.node, order.attempt)
            world.after(world.random.uniform(0, WORK_S_MAX), lambda: self._work_ends(child))
        started = ChildStarted(order.node, order.attempt, run)
        world.send(lambda: world.take(started))
        self._tell_again(child)

    def cancel(self, order: CancelChild) -> None:
        child = self.by_run[order.run]
        if child.state == "running":
            delay = self._world.random.uniform(0, STOP_S_MAX)
            self._world.after(delay, lambda: self._stops(child))
        self._tell_again(child)

    def compensate(self, order: CompensateChild) -> None:
        child, world = self.by_run[order.run], self._world
        assert child.state != "running", f"the sub-workflow of '{child.node}' is undone while it runs"
        if self._has_nothing_to_undo(child) or child.state == "compensated":
            undone = ChildEnded(order.node, world.attempt_of(order.node), child.run, RunState.COMPENSATED)
            world.send(lambda: world.take(undone))
        elif child.state != "compensating":
            child.state = "compensating"
            child.undone += 1
            world.after(world.random.uniform(0, WORK_S_MAX), lambda: self._undoing_ends(child))

    def judge(self, fact: Fact) -> None:
        """What the timeline tells of a sub-workflow must have happened to it."""
        kind, unit = fact.kind.value, fact.node or ""
        if kind == "node.succeeded" and "run" in fact.data:
            child = self.by_run[UUID(fact.data["run"])]
            has_ended = child.state == "compensated" or self._has_nothing_to_undo(child)
            if unit.endswith(":undo"):
                assert has_ended, f"'{unit}' counts as undone, but its run is {child.state}"
            else:
                assert child.state not in ("running", "failed", "cancelled"), (
                    f"'{unit}' succeeded, its run did not"
                )
        elif kind == "node.failed" and unit.endswith(":undo") and "run" in fact.data:
            node = unit.removesuffix(":undo")
            self.given_up[node] = self.given_up.get(node, 0) - 1
            assert self.given_up[node] >= 0, f"'{unit}' failed though nobody gave up undoing its run"

    def _has_nothing_to_undo(self, child: Child) -> bool:
        return child.state == "succeeded" and child.run.int % 7 == 0

    def _work_ends(self, child: Child) -> None:
        if child.state != "running":
            return
        random, faults = self._world.random, self._world.faults
        child.state = "succeeded"
        if random.random() < faults.attempt_fails:
            child.state = random.choice(["failed", "cancelled", "compensated"])
            child.failure = BROKEN if random.random() < faults.permanently else SHAKY
        self._tell(child)

    def _stops(self, child: Child) -> None:
        if child.state == "running":
            child.state = self._world.random.choice(["cancelled", "cancelled", "failed", "succeeded"])
            self._tell(child)

    def _undoing_ends(self, child: Child) -> None:
        """A person may give up the undoing of a run that keeps failing: once, or this would never end."""
        given_up = child.undone == 1 and self._world.random.random() < self._world.faults.attempt_fails
        child.state = "cancelled" if given_up else "compensated"
        self.given_up[child.node] = self.given_up.get(child.node, 0) + given_up
        self._tell(child)

    def _tell_again(self, child: Child) -> None:
        if child.state not in GOES_ON:
            self._tell(child)

    def _tell(self, child: Child) -> None:
        """A sub-workflow knows the node and the attempt that started it, and nothing of an undoing."""
        world, output = self._world, self._world.output_of(child.node, child.attempt)
        told = ChildEnded(
            node=child.node,
            attempt=child.attempt,
            run=child.run,
            state=child.state,
            output=output if child.state == "succeeded" else None,
            failure=child.failure,
            spread=world.random.uniform(-1, 1),
        )
        world.send(lambda: world.take(told))
