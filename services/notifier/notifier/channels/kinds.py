"""Every channel by its name: how its part of a subscription is read, and what is made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from notifier.channels import alertmanager, apprise, email, grafana, slack, webhook
from notifier.channels.outbound import Outbound
from notifier.channels.port import Channel
from notifier.channels.reading import Source
from notifier.channels.threads import Threads
from penstock.contracts.workflow import Json
from penstock.definition.fields import Fields


@dataclass(frozen=True)
class Means:
    """What channels send with."""

    outbound: Outbound
    threads: Threads


@dataclass(frozen=True)
class ChannelKind:
    """`build` takes what `read` gave. `takes_json`: its template is a document, not a text."""

    read: Callable[[Fields, Source], Any]
    build: Callable[[Any, Means], Channel]
    takes_json: bool = False


CHANNELS = {
    "webhook": ChannelKind(
        webhook.read, lambda options, means: webhook.Webhook(options, means.outbound), takes_json=True
    ),
    "slack": ChannelKind(slack.read, lambda options, means: slack.Slack(options, means.outbound)),
    "email": ChannelKind(
        email.read, lambda options, means: email.Email(options, means.threads, means.outbound.allowed)
    ),
    "apprise": ChannelKind(
        apprise.read, lambda options, means: apprise.Apprise(options, means.threads, means.outbound.allowed)
    ),
    "alertmanager": ChannelKind(
        alertmanager.read, lambda options, means: alertmanager.Alertmanager(options, means.outbound)
    ),
    "grafana": ChannelKind(grafana.read, lambda options, means: grafana.Grafana(options, means.outbound)),
}


async def prepare(document: Json) -> None:
    """Before a subscription's document is read: load what its channel needs, so that reading does not wait."""
    channel = document.get("channel") if isinstance(document, dict) else None
    if isinstance(channel, dict) and "apprise" in channel:
        await apprise.load()
