"""What the orchestrator is told of each call: before it is made, and what it took. It decides, and remembers."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import nats.errors
import structlog

from agent_runner.models.problems import ModelProblem
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.model_messages import ModelCallBegin, ModelCallEnd, ModelCallEnded, ModelCallVerdict
from penstock.contracts.wire import Undecodable, decode, encode

ANSWER_TIMEOUT_S = 10.0
BEGIN_PATIENCE_S = 20.0  # a restart of the orchestrator fails no call
PAUSE_S, PAUSE_S_MAX = 0.2, 5.0
WRITTEN_S_MAX = 2.0  # an answer waits so long for its place in the orchestrator's memory, and then goes out
ENDS_MAX = 1_000  # that wait for an orchestrator; the calls of lost ones are settled by what was reserved
END_PATIENCE_S = 600.0
CLOSE_S_MAX = 2.0

log = structlog.get_logger(__name__)


class Ledger:
    """Begins wait for their verdict. Ends are told until they are acknowledged, also beyond their attempt."""

    def __init__(self, bus: Bus, *, pool: str) -> None:
        self._bus = bus
        self._begin, self._end = subjects.rpc(pool, "model-begin"), subjects.rpc(pool, "model-end")
        self._telling: set[asyncio.Task[None]] = set()

    async def begin(self, message: ModelCallBegin) -> ModelCallVerdict:
        """Raises ModelProblem when nobody answers. Asking twice is safe: the call's id says that it is the same."""
        clock = asyncio.get_running_loop().time
        give_up_at, pause = clock() + BEGIN_PATIENCE_S, PAUSE_S
        while True:
            try:
                reply = await self._bus.client.request(self._begin, encode(message), timeout=ANSWER_TIMEOUT_S)
                return decode(reply.data, ModelCallVerdict)
            except (nats.errors.Error, TimeoutError, Undecodable) as error:
                reason = str(error) or type(error).__name__
                if clock() + pause > give_up_at:
                    log.warning(
                        "model.begin_unanswered", run=str(message.run), node=message.node, reason=reason
                    )
                    sentence = "the orchestrator does not answer, so no model may be called; try again"
                    raise ModelProblem(503, sentence, code="orchestrator_unavailable") from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_S_MAX)

    async def end(self, message: ModelCallEnd) -> None:
        """Returns once it is written, or a moment later; then it goes on in the background."""
        if len(self._telling) >= ENDS_MAX:
            log.error("model.end_dropped", call=str(message.call), waiting=len(self._telling))
            return
        task = self._start(self._tell(message))
        await asyncio.wait({task}, timeout=WRITTEN_S_MAX)

    def end_later(self, message: ModelCallEnd) -> None:
        """The same where nobody can wait."""
        self._start(self._tell(message))

    async def close(self) -> None:
        """A last chance for what is still to be told."""
        if self._telling:
            _, waiting = await asyncio.wait(set(self._telling), timeout=CLOSE_S_MAX)
            for task in waiting:
                task.cancel()

    def _start(self, telling: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(telling)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return task

    async def _tell(self, message: ModelCallEnd) -> None:
        clock = asyncio.get_running_loop().time
        give_up_at, pause = clock() + END_PATIENCE_S, PAUSE_S
        data = encode(message)
        while clock() < give_up_at:
            try:
                reply = await self._bus.client.request(self._end, data, timeout=ANSWER_TIMEOUT_S)
                if not decode(reply.data, ModelCallEnded).known:
                    log.warning("model.end_unknown", call=str(message.call))
                return
            except (nats.errors.Error, TimeoutError, Undecodable) as error:
                log.info(
                    "model.end_unanswered", call=str(message.call), reason=str(error) or type(error).__name__
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_S_MAX)
        log.error("model.end_lost", call=str(message.call))
