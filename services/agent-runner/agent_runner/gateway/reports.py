"""What attempts tell the orchestrator while they run: checkpoints, asked and answered; progress, just told."""

import asyncio

import msgspec
import nats.errors
import structlog
from msgspec import UNSET

from agent_runner.gateway.requests import Refused
from agent_runner.held import Held
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.messages import CheckpointAnswer, CheckpointLoad, CheckpointSave, Progress, StartNode
from penstock.contracts.wire import Undecodable, decode, encode
from penstock.telemetry.log_fields import about_attempt

ANSWER_TIMEOUT_S = 10.0
PROGRESS_EVERY_S = 0.2  # of one attempt; what comes faster replaces what waits

log = structlog.get_logger(__name__)


class Checkpoints:
    """Kept by the orchestrator, so the next attempt finds them wherever it runs."""

    def __init__(self, bus: Bus, *, pool: str) -> None:
        self._bus = bus
        self._save = subjects.rpc(pool, "checkpoint-save")
        self._load = subjects.rpc(pool, "checkpoint-load")

    async def save(self, held: Held, value: bytes) -> None:
        """Durable when this returns."""
        order = held.order
        message = CheckpointSave(order.run, order.node, order.attempt, held.token, msgspec.Raw(value))
        await self._ask(self._save, message, order)

    async def load(self, held: Held) -> bytes | None:
        """What was saved last by any attempt of this node, or None."""
        order = held.order
        message = CheckpointLoad(order.run, order.node, order.attempt, held.token)
        answer = await self._ask(self._load, message, order)
        return None if answer.value is UNSET else bytes(answer.value)

    async def _ask(
        self, subject: str, message: CheckpointSave | CheckpointLoad, order: StartNode
    ) -> CheckpointAnswer:
        try:
            reply = await self._bus.client.request(subject, encode(message), timeout=ANSWER_TIMEOUT_S)
            answer = decode(reply.data, CheckpointAnswer)
        except (nats.errors.Error, TimeoutError, Undecodable) as error:
            reason = str(error) or type(error).__name__
            log.warning("checkpoint.unanswered", subject=subject, **about_attempt(order), reason=reason)
            raise Refused(503, "the orchestrator does not answer; try again") from error
        if not answer.held:
            raise Refused(409, "this attempt has been superseded by another one")
        return answer


class ProgressReports:
    """Passes on how far attempts are, each at most every PROGRESS_EVERY_S; the newest wins."""

    def __init__(self, bus: Bus, *, pool: str) -> None:
        self._bus = bus
        self._subject = subjects.rpc(pool, "progress")
        self._newest: dict[str, Progress] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def tell(self, held: Held, *, done: float, total: float | None, message: str) -> None:
        order, key = held.order, held.attempt_key
        self._newest[key] = Progress(order.run, order.node, order.attempt, held.token, done, total, message)
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._pass_on(key))

    async def _pass_on(self, key: str) -> None:
        """Until nothing new has come for a while."""
        try:
            while (progress := self._newest.pop(key, None)) is not None:
                await self._bus.client.publish(self._subject, encode(progress))
                await asyncio.sleep(PROGRESS_EVERY_S)
        except nats.errors.Error as error:
            log.info("progress.not_told", reason=str(error) or type(error).__name__)
        finally:
            del self._tasks[key]
