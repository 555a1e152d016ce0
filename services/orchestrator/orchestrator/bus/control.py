"""The rare requests: runners that announce themselves, and their agents' checkpoints, progress and stores."""

import asyncio

from faststream.nats import NatsMessage
from nats.aio.msg import Msg

from orchestrator.bus.broker import SharedBroker, as_bytes
from orchestrator.bus.requests import QUEUE_GROUP, Answerer, Requests
from orchestrator.engine.registry import RunnerRegistry
from orchestrator.engine.store_port import AttemptStores
from penstock.bus.connection import Bus
from penstock.bus.streams import declare_consumer, declare_streams, remove_narrower
from penstock.contracts import subjects
from penstock.contracts.messages import CheckpointAnswer, CheckpointLoad, CheckpointSave, Hello, Progress
from penstock.contracts.names import is_name
from penstock.contracts.store_messages import (
    StoreRead,
    StoreReadAnswer,
    StoreUndo,
    StoreUndoAnswer,
    StoreWrite,
    StoreWriteAnswer,
)
from penstock.contracts.wire import Undecodable, decode

HANDLERS_MAX = 16  # one slow checkpoint must not hold up the others


class ControlDoor:
    """Declares a pool's consumer with what its runners offer, at each announcement: it may be new, or missing."""

    def __init__(self, bus: Bus, requests: Requests, registry: RunnerRegistry, stores: AttemptStores) -> None:
        self._bus = bus
        self._requests = requests
        self._registry = registry
        self._stores = stores
        self._broker = SharedBroker(bus.client)
        self._declaring = asyncio.Lock()  # who reads the offers last also declares last

    async def open(self) -> None:
        self._serve("announce", self._announce)
        self._serve("checkpoint-save", self._save)
        self._serve("checkpoint-load", self._load)
        self._serve("progress", self._progress)
        self._serve("store-read", self._read_store)
        self._serve("store-write", self._write_store)
        self._serve("store-undo", self._undo_store)
        await self._broker.start()

    async def close(self) -> None:
        """Take no more; the connection stays open for what is still to be said."""
        for subscriber in self._broker.subscribers:
            await subscriber.stop()

    def _serve(self, call: str, answerer: Answerer) -> None:
        async def handler(message: NatsMessage) -> None:
            await self._requests.answer(message.raw_message, answerer)

        serve = self._broker.subscriber(
            subjects.rpc("*", call),
            queue=QUEUE_GROUP,
            decoder=as_bytes,
            no_reply=True,  # Requests answers: only inboxes, and only when there is an answer
            max_workers=HANDLERS_MAX,
        )
        serve(handler)

    async def _announce(self, message: Msg) -> dict[str, str]:
        hello = decode(message.data, Hello)
        if message.subject != subjects.rpc(hello.pool, "announce"):
            raise Undecodable(f"runner '{hello.runner}' announced pool '{hello.pool}' on {message.subject}")
        _refuse_odd_names(hello)
        await self._registry.hello(hello)
        async with self._declaring:
            await self._declare(hello.pool)
        return {}

    async def _declare(self, pool: str) -> None:
        jetstream = self._bus.client.jetstream()
        await declare_streams(jetstream)
        offered = subjects.ready_offered(pool, await self._registry.offered(pool))
        stream, durable = subjects.STREAM_NODES, subjects.ready_consumer(pool)
        await remove_narrower(jetstream, stream=stream, durable=durable, subject=offered)
        await declare_consumer(jetstream, stream=stream, durable=durable, subject=offered)

    async def _save(self, message: Msg) -> CheckpointAnswer:
        return await self._registry.save_checkpoint(decode(message.data, CheckpointSave))

    async def _load(self, message: Msg) -> CheckpointAnswer:
        return await self._registry.load_checkpoint(decode(message.data, CheckpointLoad))

    async def _progress(self, message: Msg) -> None:
        await self._registry.progress(decode(message.data, Progress))

    async def _read_store(self, message: Msg) -> StoreReadAnswer:
        return await self._stores.read(decode(message.data, StoreRead))

    async def _write_store(self, message: Msg) -> StoreWriteAnswer:
        return await self._stores.write(decode(message.data, StoreWrite))

    async def _undo_store(self, message: Msg) -> StoreUndoAnswer:
        return await self._stores.undo(decode(message.data, StoreUndo))


def _refuse_odd_names(hello: Hello) -> None:
    """Names become parts of subjects: one with a dot or a star would speak of other agents."""
    for name in (hello.pool, *(offer.name for offer in hello.agents)):
        if not is_name(name):
            raise Undecodable(f"runner '{hello.runner}' announced '{name}', which is no name")
