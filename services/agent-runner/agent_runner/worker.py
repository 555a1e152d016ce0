"""The worker: from ready messages to running attempts, never more than there are slots.

take (ready messages) → want (a claim) → on_answered → start (an attempt) → finish (its slot is free again)
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import structlog
from nats.aio.msg import Msg

from agent_runner.attempts import Attempts
from agent_runner.catalogue import Catalogue
from agent_runner.claims import Answered, Claims, Wanted
from agent_runner.held import Held, HeldAttempts
from agent_runner.lease import LeaseKeeper
from agent_runner.results import ResultPublisher
from penstock.bus.replies import Replies
from penstock.contracts.messages import Result, StartNode
from penstock.contracts.wire import Undecodable, decode
from penstock.telemetry import metrics

RESULTS_WAITING_MAX = 4_096  # take no more work while the bus does not take its results
NOT_OFFERED_TOLD_MAX = 1_000  # agents; whoever sends more names has made them up
ELSEWHERE_S = (1.0, 5.0)  # how long a message that another runner must take stays away, at random

log = structlog.get_logger(__name__)


class Worker:
    """Knows which slots are free, and what becomes of each ready message."""

    def __init__(
        self,
        *,
        pool: str,
        slots: int,
        catalogue: Catalogue,
        held: HeldAttempts,
        attempts: Attempts,
        results: ResultPublisher,
        replies: Replies,
    ) -> None:
        self._catalogue, self._held, self._attempts = catalogue, held, attempts
        self._results, self._replies = results, replies
        self._free = list(range(slots - 1, -1, -1))  # a stack: the slot used last is the warmest
        self._slots = slots
        self._is_open = True
        self._not_offered: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        metrics.RUNNER_SLOTS.labels(pool).set(slots)
        metrics.RUNNER_SLOTS_FREE.labels(pool).set_function(lambda: len(self._free))

    def connect(self, *, claims: Claims, keeper: LeaseKeeper, on_room: Callable[[], None]) -> None:
        """Tell whom to claim through, and whom to tell of room; they call back, so they could not be made first."""
        self._claims, self._keeper, self._on_room = claims, keeper, on_room

    @property
    def busy(self) -> int:
        """Attempts that run."""
        return self._slots - len(self._free)

    def credit(self) -> int:
        """How many more ready messages there is room for."""
        if not self._is_open or len(self._results) >= RESULTS_WAITING_MAX:
            return 0
        return max(0, len(self._free) - len(self._claims))

    def take(self, messages: list[Msg]) -> None:
        """Claim what can run here; give the rest back at once."""
        room = self.credit()
        for message in messages:
            if room <= 0:
                self._give_back(message.reply, "no_room" if self._is_open else "draining")
            elif self._want(message):
                room -= 1

    def close(self) -> None:
        """Take no more; what waits for its claim goes back at once."""
        self._is_open = False
        for wanted in self._claims.forget_waiting():
            self._give_back(wanted.reply, "draining")
        self._has_room()

    async def idle(self) -> None:
        """Wait until nothing runs and nothing is being claimed."""
        await self._idle.wait()

    def on_answered(self, answered: Answered) -> None:
        """Start what was granted. Only now are messages acknowledged: the database owns them, or somebody else."""
        if answered.granted is None:
            for wanted in answered.wanted:
                self._give_back(wanted.reply, "unclaimed", delay=_elsewhere())
            self._has_room()
            return
        self._replies.ack(wanted.reply for wanted in answered.wanted)
        self._keeper.lease_is(answered.lease_s)
        for wanted, is_granted in zip(answered.wanted, answered.granted, strict=True):
            if is_granted:
                self._start(wanted, safe_until=answered.safe_until)
        granted = sum(answered.granted)
        metrics.RUNNER_CLAIMS.labels("granted").inc(granted)
        metrics.RUNNER_CLAIMS.labels("refused").inc(len(answered.granted) - granted)
        if answered.is_late:
            self._keeper.renew_soon()
        self._has_room()

    def _want(self, message: Msg) -> bool:
        try:
            order = decode(message.data, StartNode)
        except Undecodable as error:
            log.error("worker.garbage", subject=message.subject, reason=str(error))
            metrics.RUNNER_RETURNED.labels("garbage").inc()
            self._replies.ack([message.reply])  # whatever it was, it will not become an order
            return False
        agent = self._catalogue.agent(order.agent)
        if agent is None:
            self._tell_not_offered(order.agent)
            self._give_back(message.reply, "not_offered", delay=_elsewhere())
            return False
        self._idle.clear()
        self._claims.want(Wanted(order, message.reply, uuid4(), agent.manifest.version))
        return True

    def _tell_not_offered(self, agent: str) -> None:
        """Once for each agent: such messages come again and again."""
        if agent not in self._not_offered and len(self._not_offered) < NOT_OFFERED_TOLD_MAX:
            self._not_offered.add(agent)
            log.info("worker.not_offered", agent=agent, reason=self._catalogue.why_not(agent))

    def _give_back(self, reply: str, reason: str, *, delay: timedelta = timedelta(0)) -> None:
        metrics.RUNNER_RETURNED.labels(reason).inc()
        self._replies.nak([reply], delay=delay)

    def _start(self, wanted: Wanted, *, safe_until: float) -> None:
        agent = self._catalogue.agent(wanted.order.agent)
        if agent is None or not self._is_open or not self._free:
            order = wanted.order
            released = Result(order.run, order.node, order.attempt, wanted.token, released=True)
            self._results.add(released)
            return
        held = Held(
            order=wanted.order,
            agent=agent,
            token=wanted.token,
            attempt_key=secrets.token_urlsafe(16),
            slot=self._free.pop(),
            safe_until=safe_until,
        )
        self._held.add(held)
        held.task = asyncio.create_task(self._attempts.run(held))
        held.task.add_done_callback(lambda _: self._finish(held))

    def _finish(self, held: Held) -> None:
        self._free.append(held.slot)
        self._has_room()

    def _has_room(self) -> None:
        if not self.busy and not self._claims:
            self._idle.set()
        if self._free and self._is_open:
            self._on_room()


def _elsewhere() -> timedelta:
    """Spread, so that a pool of runners without this agent does not pass it round in step."""
    return timedelta(seconds=random.uniform(*ELSEWHERE_S))
