"""Calls of language models: a runner asks before each, and tells after it what it took."""

from nats.aio.msg import Msg

from orchestrator.bus.requests import Requests
from orchestrator.engine.model_calls import ModelCalls
from penstock.contracts.model_messages import (
    ModelCallBegin,
    ModelCallEnd,
    ModelCallEnded,
    ModelCallVerdict,
)
from penstock.contracts.wire import decode


class ModelDoor:
    """Whoever gets no answer asks again: both calls are known by their id."""

    def __init__(self, requests: Requests, calls: ModelCalls) -> None:
        self._requests = requests
        self._calls = calls

    async def open(self) -> None:
        await self._requests.serve("model-begin", self._begin)
        await self._requests.serve("model-end", self._end)

    async def _begin(self, message: Msg) -> ModelCallVerdict:
        return await self._calls.begin(decode(message.data, ModelCallBegin))

    async def _end(self, message: Msg) -> ModelCallEnded:
        return ModelCallEnded(await self._calls.end(decode(message.data, ModelCallEnd)))
