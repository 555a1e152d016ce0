"""A runner of the simulation: claims, works, renews; dies, sleeps past its lease, gives back, stops when told."""

from typing import TYPE_CHECKING
from uuid import UUID

from orchestrator.domain.answers import answers_of
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    RunEvent,
)
from penstock.contracts.limits import LEASE
from penstock.contracts.messages import AgentQuestion
from tests.builders import BROKEN, SHAKY

if TYPE_CHECKING:
    from tests.proof.simulation import Simulation

SLOTS = 3
CLAIM_TIMEOUT_S = 5.0
WORK_S_MAX = 40.0  # some attempts outlive a lease that nobody renews
RESTART_S = 10.0
ACK_WAIT_S = 20.0
QUESTIONS = ("may I", "shall I")  # of each agent, in this order


class SimulatedRunner:
    """`_held`: the tokens that it works on; `_claiming`: those that it asked for."""

    def __init__(self, world: "Simulation", name: str) -> None:
        self.name = name
        self._world = world
        self._claiming: set[UUID] = set()
        self._held: set[UUID] = set()
        self._wakes_at = 0.0  # paused or down until then

    def get_ready(self, node: str, attempt: int) -> None:
        world = self._world
        if world.now < self._wakes_at or len(self._held) + len(self._claiming) >= SLOTS:
            return  # nobody acknowledges it; the sweep will offer it again
        token = UUID(int=world.random.getrandbits(128), version=4)
        self._claiming.add(token)
        event = AttemptClaimed(node=node, attempt=attempt, token=token, runner=self.name)
        world.send(lambda: world.claim(event, lambda granted: self._answered(event, granted)))
        world.after(CLAIM_TIMEOUT_S, lambda: self._claiming.discard(token))

    def stop(self, token: UUID) -> None:
        """The hint that the attempt is cancelled: its agent dies, or ends by itself before it does."""
        if token in self._held and self._world.random.random() < 0.5:
            self._held.discard(token)

    def _answered(self, event: AttemptClaimed, is_granted: bool) -> None:
        if event.token not in self._claiming:
            return
        self._claiming.discard(event.token)
        if is_granted and self._world.now >= self._wakes_at:
            self._held.add(event.token)
            self._begin(event)

    def _begin(self, event: AttemptClaimed) -> None:
        world, faults = self._world, self._world.faults
        if world.chance(faults.release):
            self._report(event.token, AttemptReleased(event.node, event.attempt, event.token))
            return
        world.after(world.random.uniform(0, WORK_S_MAX), lambda: self._finish(event))
        if world.chance(faults.runner_crash):
            self._wakes_at = world.now + RESTART_S
            self._held.clear()
        elif world.chance(faults.runner_pause):
            self._wakes_at = world.now + world.random.uniform(1, 3) * LEASE.total_seconds()
        else:
            self._renew_later(event.token)

    def _renew_later(self, token: UUID) -> None:
        self._world.after(LEASE.total_seconds() / 3, lambda: self._renew(token))

    def _renew(self, token: UUID) -> None:
        """A lost request changes nothing; an answer without the token kills the attempt."""
        if token not in self._held or self._world.now < self._wakes_at:
            return
        if not self._world.chance(self._world.faults.drop) and not self._world.store.renew(
            token, now=self._world.now
        ):
            self._held.discard(token)
            return
        self._renew_later(token)

    def _finish(self, event: AttemptClaimed) -> None:
        """A paused runner finishes when it wakes, however late that is."""
        world = self._world
        if event.token not in self._held:
            return
        if world.now < self._wakes_at:
            world.after(self._wakes_at - world.now, lambda: self._finish(event))
            return
        self._report(event.token, self._result(event))

    def _result(self, event: AttemptClaimed) -> RunEvent:
        world = self._world
        node, attempt, token = event.node, event.attempt, event.token
        faults, random = world.faults, world.random
        known = answers_of(world.store.rows[node].node.answers)
        asks = [key for key in QUESTIONS if key not in known]
        if asks and world.chance(faults.asks):
            question = AgentQuestion(asks[0], f"{asks[0]}?", assignees=random.choice([(), ("ada", "eve")]))
            return AttemptParked(node=node, attempt=attempt, token=token, question=question)
        if random.random() < (faults.undo_fails if node.endswith(":undo") else faults.attempt_fails):
            failure = BROKEN if random.random() < faults.permanently else SHAKY
            spread = random.uniform(-1, 1)
            return AttemptFailed(node=node, attempt=attempt, token=token, failure=failure, spread=spread)
        output = world.output_of(node, attempt)
        return AttemptSucceeded(node=node, attempt=attempt, token=token, output=output)

    def _report(self, token: UUID, result: RunEvent) -> None:
        self._held.discard(token)
        self._world.send(lambda: self._deliver(result))

    def _deliver(self, result: RunEvent) -> None:
        """A result that nobody acknowledged comes again, for its stream keeps it."""
        if self._world.take(result) is None:
            self._world.after(ACK_WAIT_S, lambda: self._deliver(result))
