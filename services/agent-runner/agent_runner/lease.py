"""The lease keeper: renews what is held, and ends what is no longer ours before anybody else may start it."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import nats.errors
import structlog

from agent_runner.clocks import lease_clock
from agent_runner.held import Held, HeldAttempts
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.limits import LEASE
from penstock.contracts.messages import CancelAttempt, RenewAnswer, RenewRequest
from penstock.contracts.wire import Undecodable, decode, encode
from penstock.telemetry import metrics

LEASE_MARGIN_S = 3.0  # kill a sandbox this long before its lease ends: time to die, and clocks that drift
RENEW_TIMEOUT_S = 5.0
RENEW_AGAIN_S = 1.0  # after a renewal without an answer
LOOK_EVERY_S = 0.5  # how late the end of a lease may be noticed; far less than the margin

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews all held tokens in one request every third of a lease.

    `lose` is called with each attempt whose lease is gone: it must end at once, and report nothing.
    """

    def __init__(
        self, bus: Bus, *, runner: str, pool: str, held: HeldAttempts, lose: Callable[[Held], None]
    ) -> None:
        self._bus = bus
        self._runner = runner
        self._subject = subjects.rpc(pool, "renew")
        self._held = held
        self._lose = lose
        self._lease_s = LEASE.total_seconds()
        self._renew_at = 0.0
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Keep leases until cancelled."""
        hints = await self._bus.client.subscribe(subjects.runner_cancel(self._runner), cb=self._on_hint)
        watch = asyncio.create_task(self._watch())
        self._renew_at = lease_clock() + self._lease_s / 3
        try:
            while True:
                await self._wait()
                await self._renew()
        finally:
            watch.cancel()
            if not self._bus.client.is_closed:
                await hints.unsubscribe()

    def renew_soon(self) -> None:
        """Some lease is older than it looks: do not wait for the next third."""
        self._renew_at = 0.0
        self._wake.set()

    async def _wait(self) -> None:
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, self._renew_at - lease_clock()))
        except TimeoutError:
            return

    async def _renew(self) -> None:
        tokens = self._held.tokens()
        sent_at = lease_clock()
        self._renew_at = sent_at + self._lease_s / 3
        if not tokens:
            return
        answer = await self._ask(tokens)
        if answer is None:
            self._renew_at = lease_clock() + RENEW_AGAIN_S
            return
        self._lease_s = answer.lease_s
        self._renew_at = sent_at + self._lease_s / 3
        self._take(tokens, answer, lease_until=sent_at + answer.lease_s)

    async def _ask(self, tokens: tuple[UUID, ...]) -> RenewAnswer | None:
        request = encode(RenewRequest(self._runner, tokens))
        try:
            message = await self._bus.client.request(self._subject, request, timeout=RENEW_TIMEOUT_S)
            return decode(message.data, RenewAnswer)
        except (nats.errors.Error, TimeoutError, Undecodable) as error:
            metrics.RUNNER_RENEWALS_UNANSWERED.inc()
            log.warning("lease.not_renewed", attempts=len(tokens), reason=str(error) or type(error).__name__)
            return None

    def _take(self, tokens: tuple[UUID, ...], answer: RenewAnswer, *, lease_until: float) -> None:
        ours = {*answer.held, *answer.cancel}
        for token in tokens:
            held = self._held.of_token(token)
            if held is None:
                continue
            if token in ours:
                held.lease_until = max(held.lease_until, lease_until)
            elif held.is_running:
                self._end(held, "superseded")
        for token in answer.cancel:
            self._cancel(token)

    async def _watch(self) -> None:
        """End what could not be renewed in time, by our own clock, whatever became of the bus."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            end = lease_clock() + LEASE_MARGIN_S
            for held in self._held:
                if held.lease_until <= end and held.is_running:
                    self._end(held, "lapsed")

    def _end(self, held: Held, reason: str) -> None:
        order = held.order
        log.warning(
            "lease.lost", reason=reason, run=str(order.run), node=order.node, attempt=order.attempt
        )
        metrics.RUNNER_LEASES_LOST.labels(reason).inc()
        self._lose(held)

    async def _on_hint(self, message: object) -> None:
        """A cancel that need not wait for the next renewal. A wrong one changes nothing."""
        try:
            hint = decode(message.data, CancelAttempt)  # type: ignore[attr-defined]
        except Undecodable as error:
            log.warning("lease.bad_hint", reason=str(error))
            return
        self._cancel(hint.token)

    def _cancel(self, token: UUID) -> None:
        held = self._held.of_token(token)
        if held is not None and held.is_running:
            held.cancelled.set()
