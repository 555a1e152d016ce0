"""What runners ask and wait for: claims and renewals, in lists."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import structlog
from nats.aio.msg import Msg

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed
from orchestrator.engine.engine import RunEngine
from orchestrator.engine.registry import RunnerRegistry
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable
from penstock.contracts.messages import ClaimAnswer, ClaimRequest, RenewAnswer, RenewRequest
from penstock.contracts.wire import Undecodable, decode, encode

QUEUE_GROUP = "orchestrators"  # each request is answered by one of them

log = structlog.get_logger(__name__)

Answerer = Callable[[Msg], Awaitable[object]]


class RpcDoor:
    """Answers claims and renewals. What cannot be answered now is left unanswered: the runner asks again."""

    def __init__(self, bus: Bus, engine: RunEngine, registry: RunnerRegistry, *, lease: timedelta) -> None:
        self._bus = bus
        self._engine = engine
        self._registry = registry
        self._lease = lease
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        await self._serve("claim", self._claim)
        await self._serve("renew", self._renew)

    async def _serve(self, call: str, answerer: Answerer) -> None:
        async def on_message(message: Msg) -> None:
            task = asyncio.create_task(self._answer(message, answerer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        await self._bus.client.subscribe(subjects.rpc("*", call), queue=QUEUE_GROUP, cb=on_message)

    async def _answer(self, message: Msg, answerer: Answerer) -> None:
        try:
            answer = await answerer(message)
        except Undecodable as error:
            await self._registry.dead_letter(
                subject=message.subject, payload=message.data, reason=str(error)
            )
        except (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("rpc.unanswered", subject=message.subject, reason=repr(error))
        except Exception:
            log.exception("rpc.failed", subject=message.subject)
        else:
            if message.reply:
                await self._bus.client.publish(message.reply, encode(answer))

    async def _claim(self, message: Msg) -> ClaimAnswer:
        request = decode(message.data, ClaimRequest)
        answers = await self._engine.handle(
            [(c.run, AttemptClaimed(c.node, c.attempt, c.token, request.runner)) for c in request.claims]
        )
        granted = tuple(answer in (Outcome.APPLIED, Outcome.REPEATED) for answer in answers)
        return ClaimAnswer(granted, self._lease.total_seconds())

    async def _renew(self, message: Msg) -> RenewAnswer:
        request = decode(message.data, RenewRequest)
        renewed = await self._engine.renew(runner=request.runner, tokens=request.tokens)
        return RenewAnswer(renewed.held, renewed.cancel, self._lease.total_seconds())
