"""What agents log: taken from the bus in lists and written to the database."""

from nats.aio.msg import Msg

from orchestrator.engine.registry import RunnerRegistry
from penstock.bus.connection import Bus
from penstock.bus.taking import Taking
from penstock.contracts import subjects
from penstock.contracts.messages import LogLines
from penstock.contracts.wire import Undecodable, decode

MESSAGES_MAX = 200


class LogsDoor:
    """Writes log lines. Losing some to an outage longer than the stream keeps them is accepted (design §6)."""

    def __init__(self, bus: Bus, registry: RunnerRegistry) -> None:
        self._registry = registry
        self._taking = Taking(
            bus,
            stream=subjects.STREAM_LOGS,
            consumer=subjects.CONSUMER_LOGS,
            subject=f"{subjects.LOG}.>",
            messages_max=MESSAGES_MAX,
            serve=self._write,
        )

    async def declare(self) -> None:
        await self._taking.declare()

    async def run(self) -> None:
        """Pull until cancelled; then finish what is in hand."""
        await self._taking.run()

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
