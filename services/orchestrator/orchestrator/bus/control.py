"""The rare requests: runners that announce themselves, and their agents' checkpoints and progress."""

from nats.aio.msg import Msg

from orchestrator.bus.requests import Requests
from orchestrator.engine.registry import RunnerRegistry
from penstock.bus.connection import Bus
from penstock.bus.streams import declare_consumer, declare_streams
from penstock.contracts import subjects
from penstock.contracts.messages import CheckpointAnswer, CheckpointLoad, CheckpointSave, Hello, Progress
from penstock.contracts.wire import Undecodable, decode


class ControlDoor:
    """Declares a pool's consumer when the first of its runners announces itself, and again when it is missing."""

    def __init__(self, bus: Bus, requests: Requests, registry: RunnerRegistry) -> None:
        self._bus = bus
        self._requests = requests
        self._registry = registry

    async def open(self) -> None:
        await self._requests.serve("announce", self._announce)
        await self._requests.serve("checkpoint-save", self._save)
        await self._requests.serve("checkpoint-load", self._load)
        await self._requests.serve("progress", self._progress)

    async def _announce(self, message: Msg) -> dict[str, str]:
        hello = decode(message.data, Hello)
        if message.subject != subjects.rpc(hello.pool, "announce"):
            raise Undecodable(f"runner '{hello.runner}' announced pool '{hello.pool}' on {message.subject}")
        await self._registry.hello(hello)
        jetstream = self._bus.client.jetstream()
        await declare_streams(jetstream)
        await declare_consumer(
            jetstream,
            stream=subjects.STREAM_NODES,
            durable=subjects.ready_consumer(hello.pool),
            subject=subjects.ready_of_pool(hello.pool),
        )
        return {}

    async def _save(self, message: Msg) -> CheckpointAnswer:
        return await self._registry.save_checkpoint(decode(message.data, CheckpointSave))

    async def _load(self, message: Msg) -> CheckpointAnswer:
        return await self._registry.load_checkpoint(decode(message.data, CheckpointLoad))

    async def _progress(self, message: Msg) -> None:
        await self._registry.progress(decode(message.data, Progress))
