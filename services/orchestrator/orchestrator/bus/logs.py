"""What agents log: taken from the bus in lists and written to the database."""

import asyncio

import asyncpg
import structlog
from nats.aio.msg import Msg

from orchestrator.engine.registry import RunnerRegistry
from penstock.bus.connection import Bus
from penstock.bus.pull import PullLoop
from penstock.bus.streams import declare_consumer, declare_streams
from penstock.contracts import subjects
from penstock.contracts.messages import LogLines
from penstock.contracts.wire import Undecodable, decode

MESSAGES_MAX = 200
RETRY = b'-NAK {"delay": 1000000000}'

log = structlog.get_logger(__name__)


class LogsDoor:
    """Writes log lines. Losing some to an outage longer than the stream keeps them is accepted (design §6)."""

    def __init__(self, bus: Bus, registry: RunnerRegistry) -> None:
        self._bus = bus
        self._registry = registry
        self._in_hand = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pull = PullLoop(
            bus,
            stream=subjects.STREAM_LOGS,
            consumer=subjects.CONSUMER_LOGS,
            credit=lambda: MESSAGES_MAX - self._in_hand,
            handle=self._on_messages,
            declare=self.declare,
        )

    async def declare(self) -> None:
        jetstream = self._bus.client.jetstream()
        await declare_streams(jetstream)
        await declare_consumer(
            jetstream,
            stream=subjects.STREAM_LOGS,
            durable=subjects.CONSUMER_LOGS,
            subject=f"{subjects.LOG}.>",
        )

    async def run(self) -> None:
        """Pull until cancelled; then finish what is in hand."""
        try:
            await self._pull.run()
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_messages(self, messages: list[Msg]) -> None:
        self._in_hand += len(messages)
        task = asyncio.create_task(self._serve(messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, messages: list[Msg]) -> None:
        verb = b""
        try:
            await self._write(messages)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("logs.postponed", messages=len(messages), reason=repr(error))
            verb = RETRY
        finally:
            self._in_hand -= len(messages)
            self._pull.wake()
        for message in messages:
            await self._bus.client.publish(message.reply, verb)

    async def _write(self, messages: list[Msg]) -> None:
        batches: list[LogLines] = []
        origins: list[Msg] = []
        for message in messages:
            try:
                batches.append(decode(message.data, LogLines))
                origins.append(message)
            except Undecodable as error:
                await self._bury(message, str(error))
        for position, reason in (await self._registry.log_lines(batches)).items():
            await self._bury(origins[position], reason)

    async def _bury(self, message: Msg, reason: str) -> None:
        await self._registry.dead_letter(subject=message.subject, payload=message.data, reason=reason)
