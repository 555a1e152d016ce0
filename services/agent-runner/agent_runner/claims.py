"""Claiming: asks the orchestrator for the right to attempts, in batches, one request in flight."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import msgspec
import nats.errors
import structlog

from agent_runner.clocks import lease_clock, safe_until
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.limits import CLAIMS_PER_REQUEST_MAX, LEASE
from penstock.contracts.messages import Claim, ClaimAnswer, ClaimRequest, StartNode
from penstock.contracts.wire import Undecodable, decode, encode

CLAIM_TIMEOUT_S = 5.0  # then the same tokens are asked for again, which is the same claim
CLAIM_PAUSE = timedelta(milliseconds=200)  # between a refusal of the bus ("nobody answers") and the next try

log = structlog.get_logger(__name__)


class Wanted(msgspec.Struct, frozen=True):
    """A ready message that this runner has room for. `token` is made once: a repeated claim is the same."""

    order: StartNode
    reply: str
    token: UUID
    agent_version: str | None = None


class Answered(msgspec.Struct, frozen=True):
    """What became of a batch. `granted` is None when no answer came in time.

    `is_late`: the answer came to a repeated request, so the lease may already be old.
    """

    wanted: tuple[Wanted, ...]
    granted: tuple[bool, ...] | None
    safe_until: float  # by lease_clock
    lease_s: float
    is_late: bool = False


class Claims:
    """What arrives while one request is in flight goes into the next: load makes larger batches, not queues."""

    def __init__(self, bus: Bus, *, runner: str, pool: str, on_answered: Callable[[Answered], None]) -> None:
        self._bus = bus
        self._runner = runner
        self._subject = subjects.rpc(pool, "claim")
        self._on_answered = on_answered
        self._waiting: list[Wanted] = []
        self._in_flight = 0
        self._lease_s = LEASE.total_seconds()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """Attempts that are wanted and not yet answered: each has a slot reserved."""
        return len(self._waiting) + self._in_flight

    def want(self, wanted: Wanted) -> None:
        self._waiting.append(wanted)
        self._wake.set()

    def forget_waiting(self) -> list[Wanted]:
        """Take back what was not asked for yet."""
        waiting, self._waiting = self._waiting, []
        return waiting

    async def run(self) -> None:
        """Claim until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = tuple(self._waiting[:CLAIMS_PER_REQUEST_MAX])
                del self._waiting[:CLAIMS_PER_REQUEST_MAX]
                self._in_flight = len(batch)
                answered = await self._claim(batch)
                self._in_flight = 0
                self._on_answered(answered)

    async def _claim(self, batch: tuple[Wanted, ...]) -> Answered:
        """Ask until there is an answer, or until a lease granted to the first request would be over."""
        request = encode(ClaimRequest(self._runner, tuple(_claim_of(wanted) for wanted in batch)))
        first_sent = lease_clock()
        give_up_at = safe_until(sent_at=first_sent, lease_s=self._lease_s)
        tries = 0
        while (left_s := give_up_at - lease_clock()) > 0:
            tries += 1
            answer = await self._ask(request, claims=len(batch), timeout_s=min(CLAIM_TIMEOUT_S, left_s))
            if answer is not None:
                # An earlier request may have been the one that was granted: the lease counts from the first.
                self._lease_s = answer.lease_s
                safe = safe_until(sent_at=first_sent, lease_s=answer.lease_s)
                return Answered(batch, answer.granted, safe, answer.lease_s, is_late=tries > 1)
            await asyncio.sleep(CLAIM_PAUSE.total_seconds())
        log.warning("claim.given_up", claims=len(batch), tries=tries)
        return Answered(batch, None, give_up_at, self._lease_s)

    async def _ask(self, request: bytes, *, claims: int, timeout_s: float) -> ClaimAnswer | None:
        try:
            message = await self._bus.client.request(self._subject, request, timeout=timeout_s)
            answer = decode(message.data, ClaimAnswer)
        except (nats.errors.Error, TimeoutError, Undecodable) as error:
            log.warning("claim.unanswered", claims=claims, reason=str(error) or type(error).__name__)
            return None
        if len(answer.granted) != claims:
            log.error("claim.misanswered", claims=claims, answers=len(answer.granted))
            return None
        return answer


def _claim_of(wanted: Wanted) -> Claim:
    order = wanted.order
    return Claim(order.run, order.node, order.attempt, wanted.token, wanted.agent_version)
