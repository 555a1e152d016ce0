"""One try: the message is made, the channel tells it, and what it took is measured."""

import asyncio
import time
from datetime import UTC, datetime

import structlog

from notifier.channels.port import Told, failed
from notifier.deliveries.catalog import Entry
from notifier.deliveries.message import message_of
from penstock.contracts.template import Evaluate, ExpressionFailed
from penstock.contracts.value import Value
from penstock.contracts.wire import Undecodable
from penstock.telemetry import metrics

TRY_S_MAX = 30.0  # a channel ends by itself before; this is for one that does not

log = structlog.get_logger(__name__)


class Tried(Value, frozen=True, kw_only=True):
    """`is_hopeless`: another try would end the same way, for the event or the template is wrong."""

    told: Told
    at: datetime
    happened_at: datetime | None
    seconds: float
    is_hopeless: bool = False


async def tell(entry: Entry, event: str, *, id: str, evaluate: Evaluate) -> Tried:
    """Never raises but when cancelled."""
    at = datetime.now(UTC)
    try:
        message = message_of(entry.subscription.rule, event, id=id, at=at, evaluate=evaluate)
    except (ExpressionFailed, Undecodable) as error:
        told = failed(f"there is nothing to send: {error}")
        return Tried(told=told, at=at, happened_at=None, seconds=0.0, is_hopeless=True)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(TRY_S_MAX):
            told = await entry.channel.send(message)
    except TimeoutError:
        told = failed(f"no answer within {TRY_S_MAX:g} s")
    except Exception as error:  # ours to mend; the delivery is tried again, and the others go on
        log.exception("delivery.channel_failed", channel=entry.subscription.rule.channel_kind)
        told = failed(f"{type(error).__name__}; the notifier's log has more")
    seconds = time.perf_counter() - began
    metrics.DELIVERY_SECONDS.labels(entry.subscription.rule.channel_kind).observe(seconds)
    return Tried(told=told, at=at, happened_at=message.happened_at, seconds=seconds)
