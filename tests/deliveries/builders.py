"""Events and subscriptions for the tests of deliveries."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from notifier.channels.port import Message
from notifier.deliveries.message import message_of
from notifier.rules.kinds import pattern_of
from notifier.rules.subscription import Rule
from penstock.contracts.timeline import CloudEvent
from penstock.contracts.wire import encode, raw

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
FAILURE = {"failure": {"error_class": "timeout", "message": "it took too long"}}


def event(
    kind: str = "run.failed",
    *,
    run: UUID | None = None,
    seq: int = 7,
    project: str = "default",
    workflow: str = "release",
    data: Any = FAILURE,
    at: datetime | None = None,
) -> CloudEvent:
    return CloudEvent(
        id=f"{run or uuid4()}/{seq}",
        source=f"/projects/{project}/workflows/{workflow}",
        type=f"penstock.{kind}",
        time=at or datetime.now(UTC),
        data=raw(encode(data)),
    )


def webhook(url: str, *, events: tuple[str, ...] = ("run.failed",), **fields: Any) -> dict[str, Any]:
    """A subscription's document; `fields` are further keys of it."""
    return {"events": list(events), "channel": {"webhook": {"url": url}}, **fields}


def message(kind: str = "run.failed", **fields: Any) -> Message:
    """What a channel is given."""
    rule = Rule(
        events=(kind,), pattern=pattern_of([kind]), condition=None, channel_kind="webhook", template=None
    )
    told = encode(event(kind, **fields)).decode()
    return message_of(rule, told, id="msg_1", at=datetime.now(UTC), evaluate=_no_expression)


def _no_expression(source: str, context: Any) -> Any:
    raise AssertionError(f"there is nothing to evaluate, but {source} was asked for")
