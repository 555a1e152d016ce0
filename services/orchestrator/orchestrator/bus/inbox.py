"""Events from other systems, off the bus: many messages, one insert, then the acknowledgements."""

import asyncio
from datetime import timedelta

import structlog
from nats.aio.msg import Msg

from orchestrator.engine.cloud_events import HEADER, read_binary, read_event
from orchestrator.engine.inbox_port import Inbox
from orchestrator.engine.registry import RunnerRegistry
from penstock.bus.connection import Bus
from penstock.bus.pull import PullLoop
from penstock.bus.replies import Replies
from penstock.bus.streams import declare_consumer, declare_streams
from penstock.contracts import subjects
from penstock.contracts.errors import InvalidInput, Unavailable
from penstock.contracts.inbound import InboundEvent
from penstock.contracts.names import NAME_PATTERN, is_name
from penstock.contracts.wire import Undecodable

MESSAGES_MAX = 1_000  # taken and not yet committed
RETRY_AFTER = timedelta(seconds=1)

log = structlog.get_logger(__name__)


class InboxDoor:
    """Takes what is there, keeps it, acknowledges. A message that is no event goes to the dead letters, once."""

    def __init__(self, bus: Bus, inbox: Inbox, registry: RunnerRegistry) -> None:
        self._bus = bus
        self._inbox = inbox
        self._registry = registry
        self._replies = Replies(bus)
        self._in_hand = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pull = PullLoop(
            bus,
            stream=subjects.STREAM_INBOX,
            consumer=subjects.CONSUMER_INBOX,
            credit=lambda: MESSAGES_MAX - self._in_hand,
            handle=self._on_messages,
            declare=self.declare,
        )

    async def declare(self) -> None:
        jetstream = self._bus.client.jetstream()
        await declare_streams(jetstream)
        await declare_consumer(
            jetstream,
            stream=subjects.STREAM_INBOX,
            durable=subjects.CONSUMER_INBOX,
            subject=f"{subjects.INBOUND}.>",
        )

    async def run(self) -> None:
        """Pull until cancelled; then finish what is in hand."""
        try:
            await self._pull.run()
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._replies.sent()

    def _on_messages(self, messages: list[Msg]) -> None:
        self._in_hand += len(messages)
        task = asyncio.create_task(self._serve(messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, messages: list[Msg]) -> None:
        replies = [message.reply for message in messages]
        try:
            await self._take(messages)
            self._replies.ack(replies)
        except Unavailable as error:
            log.warning("inbox.postponed", messages=len(messages), reason=str(error))
            self._replies.nak(replies, delay=RETRY_AFTER)
        except Exception:
            log.exception("inbox.failed", messages=len(messages))
            self._replies.nak(replies, delay=RETRY_AFTER)
        finally:
            self._in_hand -= len(messages)
            self._pull.wake()

    async def _take(self, messages: list[Msg]) -> None:
        events: list[InboundEvent] = []
        origins: list[Msg] = []
        poison: list[tuple[Msg, str]] = []
        for message in messages:
            try:
                events.append(event_of(message))
                origins.append(message)
            except (Undecodable, InvalidInput) as error:
                poison.append((message, str(error)))
        answers = await self._inbox.take(events)
        for message, answer in zip(origins, answers, strict=True):
            if isinstance(answer, Exception):
                poison.append((message, str(answer)))
        # After the events are kept: a list that is postponed comes again, and its poison is buried only then.
        for message, reason in poison:
            await self._registry.dead_letter(subject=message.subject, payload=message.data, reason=reason)


def event_of(message: Msg) -> InboundEvent:
    """The event, which must be of the project and type that its subject names: the bus gives rights by subject."""
    project, type_ = subjects.project_and_type_of_inbound(message.subject)
    if not is_name(project):
        raise Undecodable(f"'{project}' in {message.subject} is no project: expected {NAME_PATTERN}")
    event = _read(project, message)
    if event.type != type_:
        raise Undecodable(f"an event of type '{event.type}' on {message.subject}")
    return event


def _read(project: str, message: Msg) -> InboundEvent:
    headers = {name.lower(): value for name, value in (message.headers or {}).items()}
    if f"{HEADER}specversion" not in headers:
        return read_event(project, message.data)
    kind = headers.get("content-type")
    return read_binary(project, headers, content_type=kind, body=message.data)
