"""The attempts that this runner holds a lease of: by token for the orchestrator, by key for agents."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from agent_runner.catalogue import Agent
from agent_runner.models.occurrences import Occurrences
from agent_runner.modes.port import Cancellation
from penstock.contracts.messages import AgentQuestion, StartNode
from penstock.contracts.usage import ModelUsage

LARGE_CALLS_MAX = (
    4  # at once, of models with 16 MB to and fro: more wait, or one agent takes the runner's memory
)
PARK_GRACE_S = 2.0  # for an agent that was told to end by itself, and to let its `finally` blocks run


class Parking(msgspec.Struct, frozen=True):
    """The attempt ends, to go on in another one: once `question` is answered, or (None) once its run goes on."""

    question: AgentQuestion | None


class Held:
    """One attempt from its claim until the bus has its result. Changes as it goes: never shared beyond the loop."""

    __slots__ = (
        "agent",
        "agent_began",
        "attempt_key",
        "cancelled",
        "drained",
        "granted_at",
        "large_calls",
        "model_calls",
        "order",
        "parking",
        "reported",
        "safe_until",
        "slot",
        "task",
        "token",
        "traceparent",
        "usage",
    )

    def __init__(
        self,
        *,
        order: StartNode,
        agent: Agent,
        token: UUID,
        attempt_key: str,
        slot: int,
        safe_until: float,
    ) -> None:
        self.order = order
        self.agent = agent
        self.token = token
        self.attempt_key = attempt_key  # opaque; what the agent names itself by at the gateway
        self.slot = slot
        self.safe_until = safe_until  # by lease_clock; then its sandbox is killed
        self.cancelled = Cancellation()
        self.drained = False  # cancelled because the runner goes, not because anybody asked
        self.agent_began: datetime | None = None  # since when the agent was, or may have been, started
        self.parking: Parking | None = None
        self.reported = False  # its result is on its way; it can only be reported once
        self.granted_at = time.monotonic()
        self.usage: dict[
            str, ModelUsage
        ] = {}  # by model; what the agent told of itself, and the runner's calls
        self.model_calls = Occurrences()
        self.large_calls = asyncio.Semaphore(LARGE_CALLS_MAX)
        self.task: asyncio.Task[None] | None = None
        self.traceparent = order.traceparent  # of the agent's own span, once the runner has begun one

    def park(self, question: AgentQuestion | None) -> bool:
        """End the attempt at no cost: the agent, by itself or stopped a moment later, and whatever it still says.

        False: it is being stopped for another reason, and that one counts. Parked twice, the first question counts.
        """
        if self.parking is None:
            if self.cancelled.is_set():
                return False
            self.parking = Parking(question)
            asyncio.get_running_loop().call_later(PARK_GRACE_S, self._end_parked)
        return True

    def _end_parked(self) -> None:
        if self.is_running:
            self.cancelled.set()

    @property
    def began(self) -> bool:
        return self.agent_began is not None

    @property
    def is_running(self) -> bool:
        """Whether its end is still to come; afterwards only its result waits for the bus."""
        return self.task is not None and not self.task.done()


class HeldAttempts:
    """All of them. Empty at the end of a drain."""

    def __init__(self) -> None:
        self._by_token: dict[UUID, Held] = {}
        self._by_key: dict[str, Held] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._by_token.values()))

    def tokens(self) -> tuple[UUID, ...]:
        return tuple(self._by_token)

    def add(self, held: Held) -> None:
        self._by_token[held.token] = held
        self._by_key[held.attempt_key] = held

    def of_token(self, token: UUID) -> Held | None:
        return self._by_token.get(token)

    def of_key(self, attempt_key: str) -> Held | None:
        """The running attempt of that key: an attempt that has ended may ask for nothing more."""
        held = self._by_key.get(attempt_key)
        return held if held is not None and held.is_running else None

    def drop(self, token: UUID) -> None:
        """Forget it: its result is on the bus, or its lease is lost."""
        held = self._by_token.pop(token, None)
        if held is not None:
            del self._by_key[held.attempt_key]
