"""The orchestrator's side of the protocol, scripted by a test: answers over the real bus, and keeps what it heard."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import msgspec
from nats.aio.msg import Msg

from penstock.bus.connection import Bus
from penstock.bus.pull import PullLoop
from penstock.bus.streams import declare_consumer, declare_streams
from penstock.contracts import subjects
from penstock.contracts.messages import (
    CancelAttempt,
    CheckpointAnswer,
    CheckpointLoad,
    CheckpointSave,
    Claim,
    ClaimAnswer,
    ClaimRequest,
    Hello,
    LogLines,
    Progress,
    RenewAnswer,
    RenewRequest,
    Result,
    Results,
    StartNode,
)
from penstock.contracts.model_messages import (
    ModelCallBegin,
    ModelCallEnd,
    ModelCallEnded,
    ModelCallVerdict,
    Verdict,
)
from penstock.contracts.wire import decode, encode

POOL = "default"
SECONDS_MAX = 20.0  # for anything that a test waits for


@dataclass
class Peer:
    """Grants every claim and renews every token, unless the test says otherwise."""

    bus: Bus
    lease_s: float = 30.0
    grants: Callable[[Claim], bool] = lambda claim: True
    is_silent: bool = False  # answers neither claims nor renewals
    lost: set[UUID] = field(default_factory=set)  # tokens that no renewal holds any more
    cancelled: set[UUID] = field(default_factory=set)
    hellos: list[Hello] = field(default_factory=list)
    claims: list[ClaimRequest] = field(default_factory=list)
    renewals: list[RenewRequest] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    result_messages: int = 0
    logs: list[LogLines] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    checkpoints: dict[tuple[UUID, str], bytes] = field(default_factory=dict)
    model_begins: list[ModelCallBegin] = field(default_factory=list)
    model_ends: list[ModelCallEnd] = field(default_factory=list)
    verdict: Callable[[ModelCallBegin], ModelCallVerdict | None] = lambda begin: None  # None: as remembered
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    _arrived: asyncio.Queue[list[Msg]] = field(default_factory=asyncio.Queue)

    async def open(self) -> None:
        await declare_streams(self.bus.client.jetstream())
        await self._answer("announce", self._announce)
        await self._answer("claim", self._claim)
        await self._answer("renew", self._renew)
        await self._answer("checkpoint-save", self._save)
        await self._answer("checkpoint-load", self._load)
        await self._answer("progress", self._progress)
        await self.open_models()
        await self._declare_results()
        await self.bus.client.subscribe(f"{subjects.LOG}.>", cb=self._log)

    async def open_models(self) -> None:
        """Only what calls of models need."""
        await self._answer("model-begin", self._begin_call)
        await self._answer("model-end", self._end_call)

    async def take_results(self) -> None:
        """Take results from their stream until cancelled, as an orchestrator does."""
        pull = PullLoop(
            self.bus,
            stream=subjects.STREAM_RESULTS,
            consumer=subjects.CONSUMER_RESULTS,
            credit=lambda: 500,
            handle=lambda messages: self._arrived.put_nowait(messages),
            declare=self._declare_results,
        )
        pulling = asyncio.create_task(pull.run())
        try:
            while True:
                for message in await self._arrived.get():
                    await self._done(message)
        finally:
            pulling.cancel()

    async def order(self, agent: str, value: object = None, **fields: object) -> StartNode:
        """Publish a ready message and return its order."""
        order = StartNode(
            run=uuid4(),
            node=str(fields.pop("node", "n")),
            attempt=1,
            project=str(fields.pop("project", "default")),
            workflow="w",
            agent=agent,
            input=msgspec.Raw(encode({} if value is None else value)),
            timeout_s=float(str(fields.pop("timeout_s", 30.0))),
        )
        order = msgspec.structs.replace(order, **fields)
        await self.publish(order)
        return order

    async def publish(self, order: StartNode) -> None:
        await self.bus.client.jetstream().publish(subjects.ready(POOL, order.agent), encode(order))

    async def hint_cancel(self, runner: str, order: StartNode) -> None:
        hint = CancelAttempt(order.run, order.node, order.attempt, self.token_of(order))
        await self.bus.client.publish(subjects.runner_cancel(runner), encode(hint))

    async def until(self, is_so: Callable[[], bool], *, seconds: float = SECONDS_MAX) -> None:
        """Wait until what was heard makes `is_so` true."""
        async with asyncio.timeout(seconds), self.heard:
            await self.heard.wait_for(is_so)

    async def result_of(self, order: StartNode) -> Result:
        def found() -> list[Result]:
            return [r for r in self.results if (r.run, r.attempt) == (order.run, order.attempt)]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def claimed(self, order: StartNode) -> UUID:
        await self.until(lambda: self._token(order) is not None)
        return self.token_of(order)

    def token_of(self, order: StartNode) -> UUID:
        token = self._token(order)
        assert token is not None, "nobody has claimed this order"
        return token

    async def waiting(self) -> int:
        """Ready messages that nobody has acknowledged."""
        info = await self.bus.client.jetstream().stream_info(subjects.STREAM_NODES)
        return int(info.state.messages)

    def text_of(self, order: StartNode) -> str:
        """What the order's attempt logged, line by line."""
        batches = sorted((b for b in self.logs if b.run == order.run), key=lambda batch: batch.first)
        return "\n".join(line.text for batch in batches for line in batch.lines)

    def _token(self, order: StartNode) -> UUID | None:
        claims = [claim for request in self.claims for claim in request.claims]
        return next((claim.token for claim in claims if claim.run == order.run), None)

    async def _answer(self, call: str, answer: Callable[[Msg], object]) -> None:
        async def on_message(message: Msg) -> None:
            said = answer(message)
            if asyncio.iscoroutine(said):
                said = await said
            async with self.heard:
                self.heard.notify_all()
            if message.reply and said is not None:
                await self.bus.client.publish(message.reply, encode(said))

        await self.bus.client.subscribe(subjects.rpc("*", call), cb=on_message)

    async def _announce(self, message: Msg) -> object:
        hello = decode(message.data, Hello)
        self.hellos.append(hello)
        await declare_consumer(
            self.bus.client.jetstream(),
            stream=subjects.STREAM_NODES,
            durable=subjects.ready_consumer(hello.pool),
            subject=subjects.ready_of_pool(hello.pool),
        )
        return {}

    def _claim(self, message: Msg) -> object:
        request = decode(message.data, ClaimRequest)
        self.claims.append(request)
        if self.is_silent:
            return None
        return ClaimAnswer(tuple(self.grants(claim) for claim in request.claims), self.lease_s)

    def _renew(self, message: Msg) -> object:
        request = decode(message.data, RenewRequest)
        self.renewals.append(request)
        if self.is_silent:
            return None
        held = tuple(token for token in request.tokens if token not in self.lost | self.cancelled)
        cancel = tuple(token for token in request.tokens if token in self.cancelled)
        return RenewAnswer(held, cancel, self.lease_s)

    def _save(self, message: Msg) -> object:
        save = decode(message.data, CheckpointSave)
        if save.token in self.lost:
            return CheckpointAnswer(held=False)
        self.checkpoints[save.run, save.node] = bytes(save.value)
        return CheckpointAnswer(held=True)

    def _load(self, message: Msg) -> object:
        load = decode(message.data, CheckpointLoad)
        value = self.checkpoints.get((load.run, load.node))
        return CheckpointAnswer(held=True, value=msgspec.UNSET if value is None else msgspec.Raw(value))

    def _progress(self, message: Msg) -> object:
        self.progress.append(decode(message.data, Progress))
        return None

    def _begin_call(self, message: Msg) -> object:
        """Go, or what an earlier attempt of the node got for the same call."""
        begin = decode(message.data, ModelCallBegin)
        self.model_begins.append(begin)
        if begin.token in self.lost:
            return ModelCallVerdict(Verdict.LOST)
        if said := self.verdict(begin):
            return said
        same = {b.call for b in self.model_begins if _names(b) == _names(begin)}
        reply = next((end.reply for end in self.model_ends if end.call in same and end.reply), None)
        return ModelCallVerdict(Verdict.REPLAY if reply else Verdict.GO, reply=reply)

    def _end_call(self, message: Msg) -> object:
        end = decode(message.data, ModelCallEnd)
        self.model_ends.append(end)
        return ModelCallEnded(known=any(begin.call == end.call for begin in self.model_begins))

    async def _done(self, message: Msg) -> None:
        results = decode(message.data, Results).results
        async with self.heard:
            self.results.extend(results)
            self.result_messages += 1
            self.heard.notify_all()
        await message.ack()

    async def _declare_results(self) -> None:
        await declare_consumer(
            self.bus.client.jetstream(),
            stream=subjects.STREAM_RESULTS,
            durable=subjects.CONSUMER_RESULTS,
            subject=f"{subjects.DONE}.>",
        )

    async def _log(self, message: Msg) -> None:
        async with self.heard:
            self.logs.append(decode(message.data, LogLines))
            self.heard.notify_all()


def _names(begin: ModelCallBegin) -> tuple[object, ...]:
    """What is the same of a call in every attempt of its node."""
    return begin.run, begin.node, begin.fingerprint, begin.occurrence


def output_of(result: Result) -> Any:
    """What the result's output says, or None where it has none."""
    return None if result.output is msgspec.UNSET else msgspec.json.decode(result.output)
