"""Answering requests from the bus: one task each, and no answer when there is none to give now."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from orchestrator.engine.registry import ABOUT_DATA, RunnerRegistry
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable
from penstock.contracts.wire import Undecodable, encode

QUEUE_GROUP = "orchestrators"  # each request is answered by one of them

AWAY = (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)

log = structlog.get_logger(__name__)

Answerer = Callable[[Msg], Awaitable[object]]


class Requests:
    """Serves calls on `penstock.rpc.<pool>.<call>`. Who gets no answer asks again."""

    def __init__(self, bus: Bus, registry: RunnerRegistry) -> None:
        self._bus = bus
        self._registry = registry
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []

    async def serve(self, call: str, answerer: Answerer) -> None:
        async def on_message(message: Msg) -> None:
            task = asyncio.create_task(self.answer(message, answerer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        subscription = await self._bus.client.subscribe(
            subjects.rpc("*", call), queue=QUEUE_GROUP, cb=on_message
        )
        self._subscriptions.append(subscription)

    async def close(self) -> None:
        """Take no more: another orchestrator answers at once what we would leave unanswered. Finish what is here."""
        if not self._bus.is_connected:
            return
        for subscription in self._subscriptions:
            await subscription.drain()  # type: ignore[no-untyped-call]
        await asyncio.gather(*self._tasks)

    async def answer(self, message: Msg, answerer: Answerer) -> None:
        """Answer one request, if there is an answer now."""
        try:
            answer = await self._decoded(message, answerer)
        except AWAY as error:
            log.warning("requests.unanswered", subject=message.subject, reason=repr(error))
        except Exception:
            log.exception("requests.failed", subject=message.subject)
        else:
            # The answer travels with our rights, so it goes to an inbox and nowhere else.
            if message.reply.startswith("_INBOX_") and answer is not None:
                await self._bus.client.publish(message.reply, encode(answer))

    async def _decoded(self, message: Msg, answerer: Answerer) -> object:
        try:
            return await answerer(message)
        except (Undecodable, *ABOUT_DATA) as error:
            await self._registry.dead_letter(subject=message.subject, payload=message.data, reason=str(error))
            return None  # it would mean nothing the next time either
