"""What decisions order besides messages, done by the simulation as `engine/effects.py` does it: after the commit,
perhaps never, perhaps twice, and in any order."""

from typing import TYPE_CHECKING
from uuid import UUID

from orchestrator.domain.decision import (
    AskCache,
    CancelChild,
    Command,
    CompensateChild,
    GrantSlots,
    KeepOutput,
    LookBack,
    StartChild,
    TellParent,
)
from orchestrator.domain.events import CacheAnswered, EventArrived
from tests.proof.simulated_children import SimulatedChildren

if TYPE_CHECKING:
    from tests.proof.simulation import Simulation

OTHER_RUN = UUID("01890000-0000-7000-8000-0000000000ff")


class SimulatedEffects:
    def __init__(self, world: "Simulation") -> None:
        self.children = SimulatedChildren(world)
        self._world = world
        self._cache: dict[str, bytes] = {}

    def order(self, command: Command) -> None:
        self._world.send(lambda: self._do(command))

    def _do(self, command: Command) -> None:
        match command:
            case StartChild():
                self.children.start(command)
            case CancelChild():
                self.children.cancel(command)
            case CompensateChild():
                self.children.compensate(command)
            case AskCache():
                self._answer(command)
            case KeepOutput():
                self._cache.setdefault(command.key, command.output)
            case LookBack():
                self._look_back(command)
            case TellParent() | GrantSlots():
                pass

    def _answer(self, order: AskCache) -> None:
        """Another run may have put something there."""
        world = self._world
        if world.chance(world.faults.cached):
            self._cache.setdefault(order.key, world.output_of("cached", 0))
        output = self._cache.get(order.key)
        answer = CacheAnswered(order.node, order.attempt, order.key, output, OTHER_RUN if output else None)
        world.send(lambda: world.take(answer))

    def _look_back(self, order: LookBack) -> None:
        """Something came that the node waits for, or something of the type that does not match; or nothing."""
        world = self._world
        is_calm = world.is_calm()
        if is_calm or world.random.random() < 0.4:
            matches = is_calm or world.random.random() < 0.6
            arrived = EventArrived(order.node, order.attempt, {"match": matches})
            world.send(lambda: world.take(arrived))
