"""Events from other systems, off the bus: many messages, one insert, then the acknowledgements."""

from nats.aio.msg import Msg

from orchestrator.engine.cloud_events import HEADER, read_binary, read_event
from orchestrator.engine.inbox_port import Inbox
from orchestrator.engine.registry import RunnerRegistry
from penstock.bus.connection import Bus
from penstock.bus.taking import Taking
from penstock.contracts import subjects
from penstock.contracts.errors import InvalidInput
from penstock.contracts.inbound import InboundEvent
from penstock.contracts.names import NAME_PATTERN, is_name
from penstock.contracts.wire import Undecodable

MESSAGES_MAX = 1_000  # taken and not yet committed


class InboxDoor:
    """Takes what is there, keeps it, acknowledges. A message that is no event goes to the dead letters, once."""

    def __init__(self, bus: Bus, inbox: Inbox, registry: RunnerRegistry) -> None:
        self._inbox = inbox
        self._registry = registry
        self._taking = Taking(
            bus,
            stream=subjects.STREAM_INBOX,
            consumer=subjects.CONSUMER_INBOX,
            subject=f"{subjects.INBOUND}.>",
            messages_max=MESSAGES_MAX,
            serve=self._take,
        )

    async def declare(self) -> None:
        await self._taking.declare()

    async def run(self) -> None:
        """Pull until cancelled; then finish what is in hand."""
        await self._taking.run()

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
