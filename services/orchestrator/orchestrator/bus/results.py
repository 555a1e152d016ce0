"""Results of attempts: many messages, one commit, then the acknowledgements."""

import random
from datetime import timedelta
from uuid import UUID

from msgspec import UNSET
from nats.aio.msg import Msg

from orchestrator.domain.events import (
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    RunEvent,
)
from orchestrator.engine.engine import RunEngine
from orchestrator.engine.registry import RunnerRegistry
from penstock.bus.connection import Bus
from penstock.bus.taking import Taking
from penstock.contracts import subjects
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import OUTPUT_BYTES_MAX
from penstock.contracts.messages import AgentQuestion, Result, Results
from penstock.contracts.usage import Usage
from penstock.contracts.wire import Undecodable, decode
from penstock.definition.question import why_unaskable

MESSAGES_MAX = 64  # taken and not yet committed; each carries up to 64 results
TAKEN_MAX = timedelta(seconds=10)  # then it comes again: the orchestrator that took it has died


class ResultsDoor:
    """Takes what is there, applies it, acknowledges. A message that means nothing goes to the dead letters."""

    def __init__(self, bus: Bus, engine: RunEngine, registry: RunnerRegistry) -> None:
        self._engine = engine
        self._registry = registry
        self._taking = Taking(
            bus,
            stream=subjects.STREAM_RESULTS,
            consumer=subjects.CONSUMER_RESULTS,
            subject=f"{subjects.DONE}.>",
            messages_max=MESSAGES_MAX,
            serve=self._apply,
            ack_wait=TAKEN_MAX,
        )

    async def declare(self) -> None:
        await self._taking.declare()

    async def run(self) -> None:
        """Pull until cancelled; then finish what is in hand."""
        await self._taking.run()

    async def _apply(self, messages: list[Msg]) -> None:
        items: list[tuple[UUID, RunEvent]] = []
        origins: list[Msg] = []
        for message in messages:
            for item in await self._read(message):
                items.append(item)
                origins.append(message)
        answers = await self._engine.handle(items)
        for message, (run, _), answer in zip(origins, items, answers, strict=True):
            if answer is None:
                await self._bury(message, f"no run {run}")
            elif isinstance(answer, Exception):
                await self._bury(message, f"run {run}: {answer!r}")

    async def _read(self, message: Msg) -> list[tuple[UUID, RunEvent]]:
        try:
            return [(result.run, event_of(result)) for result in decode(message.data, Results).results]
        except Undecodable as error:
            await self._bury(message, str(error))
            return []

    async def _bury(self, message: Msg, reason: str) -> None:
        await self._registry.dead_letter(subject=message.subject, payload=message.data, reason=reason)


def event_of(result: Result) -> RunEvent:
    """What the core is told; raises Undecodable when the result says nothing or contradicts itself."""
    usage = Usage(result.seconds, result.cpu_s, result.memory_bytes, result.tier, result.usage)
    if result.released:
        began = usage if result.seconds or result.usage else None
        return AttemptReleased(result.node, result.attempt, result.token, began)
    output = b"" if result.output is UNSET else bytes(result.output)
    if (output != b"") + (result.failure is not None) + (result.parked is not None) != 1:
        raise Undecodable("not a Result: exactly one of `output`, `failure` and `parked` must be set")
    failure = result.failure or _unacceptable(output, result.parked)
    if result.parked is not None and failure is None:
        return AttemptParked(result.node, result.attempt, result.token, result.parked, usage)
    if failure is not None:
        return AttemptFailed(result.node, result.attempt, result.token, failure, random.uniform(-1, 1), usage)
    return AttemptSucceeded(result.node, result.attempt, result.token, output, usage)


def _unacceptable(output: bytes, question: AgentQuestion | None) -> Failure | None:
    """A runner checks outputs and questions; the orchestrator trusts no runner with its database."""
    if question is not None and (why := why_unaskable(question)):
        return Failure("UnaskableQuestion", why, ErrorClass.VALIDATION)
    if len(output) > OUTPUT_BYTES_MAX:
        message = (
            f"the output has {len(output)} bytes, more than {OUTPUT_BYTES_MAX}; write it to /out instead"
        )
        return Failure("OutputTooLarge", message, ErrorClass.RESOURCE)
    try:
        output.decode()
    except UnicodeDecodeError as error:
        return Failure("OutputNotJson", f"the output is not UTF-8: {error}", ErrorClass.VALIDATION)
    return None
