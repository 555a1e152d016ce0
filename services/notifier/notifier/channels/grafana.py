"""Grafana annotations: a mark on the dashboards at the moment of the event, so that a curve explains itself."""

from collections.abc import Sequence

from notifier.channels.outbound import Outbound
from notifier.channels.port import Message, Told
from notifier.channels.reading import (
    Secret,
    Source,
    secret,
    secret_keys,
    secrets_of_url,
    shown_url,
    texts,
    url,
)
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.contracts.workflow import Json
from penstock.definition.fields import Fields

KEYS = ("url", *secret_keys("token"), "dashboard", "tags")
CONCURRENT_MAX = 4


class Options(Value, frozen=True):
    """`token` is a service account's; `dashboard` the uid of the one that is marked, empty for all."""

    url: str
    token: Secret | None
    dashboard: str = ""
    tags: tuple[str, ...] = ()


def read(fields: Fields, source: Source) -> Options:
    fields.only(KEYS)
    token = secret(fields, "token", source)
    if token is None and "token_file" not in fields:
        fields.require("token", "the token of a service account that may write annotations")
    tags = texts(fields, "tags", "a list of texts")
    return Options(url(fields), token, dashboard=fields.text("dashboard"), tags=tags)


class Grafana:
    concurrent_max = CONCURRENT_MAX

    def __init__(self, options: Options, outbound: Outbound) -> None:
        assert options.token is not None, "the reader refuses a document without a token"
        self._options = options
        self._url = f"{options.url.rstrip('/')}/api/annotations"
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {options.token.value}",
        }
        self._secrets = (options.token.value, *secrets_of_url(options.url))
        self._outbound = outbound

    @property
    def target(self) -> str:
        return shown_url(self._options.url)

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    async def send(self, message: Message) -> Told:
        body = encode(annotation(message, self._options))
        return await self._outbound.post(self._url, headers=self._headers, body=body)


def annotation(message: Message, options: Options) -> dict[str, Json]:
    """Source: Grafana's HTTP API, "Create annotation"; `time` in milliseconds."""
    tags = ["penstock", message.kind, message.word("project"), message.word("workflow"), *options.tags]
    place: dict[str, Json] = {"dashboardUID": options.dashboard} if options.dashboard else {}
    milliseconds = int(message.happened_at.timestamp() * 1000)
    return {"time": milliseconds, "tags": [*tags], "text": message.text, **place}
