"""Budgets in the simulation: now and then one has no room, and now and then somebody raises one.

By dice of their own, so that they shift nobody else's: a seed that kills a mutant goes on killing it.
"""

from random import Random
from typing import TYPE_CHECKING

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import BudgetExceeded, BudgetRaised
from orchestrator.domain.run import RUN_ENDED

if TYPE_CHECKING:
    from tests.proof.simulation import Simulation

EVENTS = 4
BUSY_S = 240.0


class SimulatedBudgets:
    def __init__(self, world: "Simulation") -> None:
        self._world = world
        self._random = Random(hash(world.random.getstate()))
        for _ in range(EVENTS):
            world.after(self._random.uniform(0, BUSY_S), self._happen)

    def _happen(self) -> None:
        world, random = self._world, self._random
        if random.random() < 0.5:
            raised = world.slip_in(BudgetRaised("run/1", "ada", "worth it", tokens=random.randrange(1, 1000)))
            assert raised.outcome is Outcome.APPLIED, "a budget can be raised at any time"
            return
        run = world.store.load()
        node = random.choice(list(run.nodes))
        told = BudgetExceeded(node, run.nodes[node].attempt, "run/1", "there is no room", "ask")
        had_ended = world.store.state in RUN_ENDED
        exceeded = world.slip_in(told)
        assert not (had_ended and exceeded.facts), "a run that has ended calls no model"
