"""Makes what a channel sends of an event and a subscription."""

from datetime import datetime

from notifier.channels.kinds import CHANNELS
from notifier.channels.port import Message
from notifier.deliveries.happened import happened
from notifier.rules.subscription import Rule, context_of, default_text
from penstock.contracts.template import Evaluate
from penstock.contracts.wire import encode


def message_of(rule: Rule, event: str, *, id: str, at: datetime, evaluate: Evaluate) -> Message:
    """Raises ExpressionFailed when the template asks for what the event has not, Undecodable for no event."""
    found = happened(event)
    said = None if rule.template is None else rule.template.render(evaluate, context_of(found.document))
    if said is not None and not isinstance(said, str) and not CHANNELS[rule.channel_kind].takes_json:
        said = encode(said).decode()  # a template of one expression keeps its type, and a text is asked for
    return Message(
        id=id,
        at=at,
        happened_at=found.at,
        document=found.document,
        cloud_event=event.encode(),
        text=said if isinstance(said, str) else default_text(found.document),
        said=said,
        traceparent=found.traceparent,
    )
