"""The lease keeper: renews what is held, and ends what is no longer ours before anybody else may start it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import nats.errors
import structlog

from agent_runner.clocks import LEASE_MARGIN_SHARE, lease_clock, safe_until
from agent_runner.held import Held, HeldAttempts
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.limits import LEASE
from penstock.contracts.messages import CancelAttempt, RenewAnswer, RenewRequest
from penstock.contracts.wire import Undecodable, decode, encode
from penstock.telemetry import metrics
from penstock.telemetry.log_fields import about_attempt

# Shares of a lease, so that a short one (tests, a nervous operator) is kept as well as the default.
RENEW_EVERY_SHARE = 1 / 3
RENEW_TIMEOUT_SHARE = 1 / 6
RENEW_AGAIN_SHARE = 1 / 30  # after a renewal without an answer
LOOK_EVERY_SHARE = LEASE_MARGIN_SHARE / 4  # how late the end of a lease may be noticed

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
        self._renew_at = lease_clock() + self._lease_s * RENEW_EVERY_SHARE
        try:
            while True:
                await self._wait()
                await self._renew()
        finally:
            watch.cancel()
            if not self._bus.client.is_closed:
                await hints.unsubscribe()

    def lease_is(self, lease_s: float) -> None:
        """How long leases last, as a claim's answer said."""
        if lease_s != self._lease_s:
            self._lease_s = lease_s
            self.renew_soon()

    def renew_soon(self) -> None:
        """Some lease is older than it looks: do not wait for the next third."""
        self._renew_at = 0.0
        self._wake.set()

    async def _wait(self) -> None:
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._renew_at - lease_clock())):
                await self._wake.wait()

    async def _renew(self) -> None:
        tokens = self._held.tokens()
        sent_at = lease_clock()
        self._renew_at = sent_at + self._lease_s * RENEW_EVERY_SHARE
        if not tokens:
            return
        answer = await self._ask(tokens)
        if answer is None:
            self._renew_at = lease_clock() + self._lease_s * RENEW_AGAIN_SHARE
            return
        self._lease_s = answer.lease_s
        self._take(tokens, answer, safe=safe_until(sent_at=sent_at, lease_s=answer.lease_s))

    async def _ask(self, tokens: tuple[UUID, ...]) -> RenewAnswer | None:
        request = encode(RenewRequest(self._runner, tokens))
        try:
            message = await self._bus.client.request(
                self._subject, request, timeout=self._lease_s * RENEW_TIMEOUT_SHARE
            )
            return decode(message.data, RenewAnswer)
        except (nats.errors.Error, TimeoutError, Undecodable) as error:
            metrics.RUNNER_RENEWALS_UNANSWERED.inc()
            log.warning("lease.not_renewed", attempts=len(tokens), reason=str(error) or type(error).__name__)
            return None

    def _take(self, tokens: tuple[UUID, ...], answer: RenewAnswer, *, safe: float) -> None:
        ours = {*answer.held, *answer.cancel}
        for token in tokens:
            held = self._held.of_token(token)
            if held is None:
                continue
            if token in ours:
                held.safe_until = max(held.safe_until, safe)
            elif held.is_running:
                self._end(held, "superseded")
        for token in answer.cancel:
            self._cancel(token)

    async def _watch(self) -> None:
        """End what could not be renewed in time, by our own clock, whatever became of the bus."""
        while True:
            await asyncio.sleep(self._lease_s * LOOK_EVERY_SHARE)
            now = lease_clock()
            for held in self._held:
                if held.safe_until <= now and held.is_running:
                    self._end(held, "lapsed")

    def _end(self, held: Held, reason: str) -> None:
        log.warning("lease.lost", reason=reason, **about_attempt(held.order))
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
