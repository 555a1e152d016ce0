"""People in the simulation: at random instants somebody wants something, sensible or not. Once the world is calm
they tend to whatever waits for them, so that every run ends."""

from random import Random
from typing import TYPE_CHECKING

from orchestrator.domain.detail import Question
from orchestrator.domain.events import (
    Answered,
    CancelRequested,
    CompensateRequested,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunEvent,
    SkipRequested,
)
from orchestrator.domain.node import NodeState
from orchestrator.domain.run import PauseCause, Run, RunState

if TYPE_CHECKING:
    from tests.proof.simulation import Simulation

STARTER = "eve"
PEOPLE = ("ada", STARTER, "mallory")
BUSY_S = 240.0  # people meddle during the first minutes
TENDS_EVERY_S = 60.0


class SimulatedPeople:
    def __init__(self, world: "Simulation") -> None:
        self._world = world
        self._tended_at = 0.0
        for _ in range(world.faults.meddling):
            world.after(world.random.uniform(0, BUSY_S), self._meddle)
        if world.random.random() < world.faults.cancel:
            cancel = CancelRequested("ada", "enough")
            world.after(world.random.uniform(0, BUSY_S / 2), lambda: world.take(cancel))

    def tend(self) -> None:
        world = self._world
        if world.now - self._tended_at >= TENDS_EVERY_S:
            self._tended_at = world.now
            for wish in _needed(world.store.load(), world.random):
                world.take(wish)

    def _meddle(self) -> None:
        world = self._world
        by = world.random.choice(PEOPLE)
        world.take(_any_wish(world.store.load(), world.random, by, cancels=world.faults.cancel > 0))


def _any_wish(run: Run, random: Random, by: str, *, cancels: bool) -> RunEvent:
    unit = random.choice(list(run.nodes))
    wishes: list[RunEvent] = [
        PauseRequested(by),
        PauseRequested(by, of_workflow=True),
        ResumeRequested(by),
        RetryRequested(by),
        SkipRequested(by, random.choice([None, unit])),
        CompensateRequested(by, "I want it undone"),
        Answered(random.choice(_asked(run) or [unit]), random.random() < 0.8, by),
        Answered(random.choice(_asked(run) or [unit]), random.random() < 0.8, by),
    ]
    if cancels:
        wishes.append(CancelRequested(by, "enough"))
    return random.choice(wishes)


def _needed(run: Run, random: Random) -> list[RunEvent]:
    """What somebody has to do, or the run will wait for ever."""
    if run.state is RunState.PAUSED:
        assert run.pause is not None, "a paused run knows who paused it"
        if run.pause.cause is PauseCause.COMPENSATION:
            return [random.choice([RetryRequested("ada"), SkipRequested("ada"), SkipRequested("ada")])]
        if run.pause.cause is PauseCause.WORKFLOW:
            return [
                random.choice([ResumeRequested("ada", of_workflow=True), CancelRequested("ada", "enough")])
            ]
        return [
            random.choice([ResumeRequested("ada"), RetryRequested("ada"), CancelRequested("ada", "enough")])
        ]
    return [Answered(name, random.random() < 0.8, "ada") for name in _asked(run)]


def _asked(run: Run) -> list[str]:
    return [
        name
        for name, node in run.nodes.items()
        if node.state is NodeState.SUSPENDED and isinstance(node.detail, Question)
    ]
