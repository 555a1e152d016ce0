"""One try: the message is made, the channel tells it, and what it took is measured."""

import asyncio
import time
from datetime import UTC, datetime

import structlog

from notifier.channels.port import Message, Told, failed, redacted
from notifier.deliveries.catalog import Entry
from notifier.deliveries.message import message_of
from penstock.contracts.template import Evaluate, ExpressionFailed
from penstock.contracts.value import Value, replace
from penstock.contracts.wire import Undecodable
from penstock.telemetry import metrics
from penstock.telemetry.span import SpanKind
from penstock.telemetry.tracing import Tracing

TRY_S_MAX = 30.0  # a channel ends by itself before; this is for one that does not

log = structlog.get_logger(__name__)


class Tried(Value, frozen=True, kw_only=True):
    """`is_hopeless`: another try would end the same way, for the event or the template is wrong."""

    told: Told
    at: datetime
    happened_at: datetime | None
    seconds: float
    is_hopeless: bool = False


class Teller:
    def __init__(self, evaluate: Evaluate, tracing: Tracing) -> None:
        self._evaluate = evaluate
        self._tracing = tracing

    async def tell(self, entry: Entry, event: str, *, id: str) -> Tried:
        """Never raises but when cancelled."""
        at = datetime.now(UTC)
        try:
            message = message_of(entry.subscription.rule, event, id=id, at=at, evaluate=self._evaluate)
        except (ExpressionFailed, Undecodable) as error:
            told = failed(f"there is nothing to send: {error}")
            return Tried(told=told, at=at, happened_at=None, seconds=0.0, is_hopeless=True)
        own = self._tracing.begin(message.traceparent)
        began = time.perf_counter()
        told = await _send(entry, replace(message, traceparent=own))
        seconds = time.perf_counter() - began
        metrics.DELIVERY_SECONDS.labels(entry.subscription.rule.channel_kind).observe(seconds)
        self._trace(entry, message, told, own)
        return Tried(told=told, at=at, happened_at=message.happened_at, seconds=seconds)

    def _trace(self, entry: Entry, message: Message, told: Told, own: str | None) -> None:
        subscription = entry.subscription
        self._tracing.emit(
            f"deliver {subscription.rule.channel_kind}",
            own=own,
            parent=message.traceparent,
            start=message.at,
            end=datetime.now(UTC),
            kind=SpanKind.CLIENT,
            attributes={
                "penstock.subscription": subscription.name,
                "penstock.delivery": message.id,
                "penstock.run": message.word("run"),
                "http.response.status_code": told.status or 0,
            },
            error=told.error or None,
        )


async def _send(entry: Entry, message: Message) -> Told:
    try:
        async with asyncio.timeout(TRY_S_MAX):
            return redacted(await entry.channel.send(message), entry.channel.secrets)
    except TimeoutError:
        return failed(f"no answer within {TRY_S_MAX:g} s")
    except Exception as error:  # ours to mend; the delivery is tried again, and the others go on
        log.exception("delivery.channel_failed", channel=entry.subscription.rule.channel_kind)
        return failed(f"{type(error).__name__}; the notifier's log has more")
