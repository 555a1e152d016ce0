"""Slack, by an incoming webhook: a section with the text, and below it where the event is from."""

from collections.abc import Sequence

from notifier.channels.outbound import Outbound
from notifier.channels.port import Message, Told
from notifier.channels.reading import Source, secret, secret_keys, secrets_of_url, shown_host, url
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.definition.fields import Fields

KEYS = secret_keys("url")
CONCURRENT_MAX = 1  # Slack takes about one message a second
TEXT_CHARS_MAX = 2_900  # a section takes 3,000
_SIGNS = {"failed": "🔴", "succeeded": "🟢"}


class Options(Value, frozen=True):
    url: str


def read(fields: Fields, source: Source) -> Options:
    fields.only(KEYS)
    if "url_file" not in fields:
        return Options(url(fields))
    found = secret(fields, "url", source)
    return Options(found.value if found else "")


class Slack:
    concurrent_max = CONCURRENT_MAX

    def __init__(self, options: Options, outbound: Outbound) -> None:
        self._url = options.url
        self._outbound = outbound

    @property
    def target(self) -> str:
        return shown_host(self._url)

    @property
    def secrets(self) -> Sequence[str]:
        return secrets_of_url(self._url, is_path_secret=True)

    async def send(self, message: Message) -> Told:
        body = encode(payload(message))
        return await self._outbound.post(self._url, headers={"Content-Type": "application/json"}, body=body)


def payload(message: Message) -> dict[str, object]:
    """Source: Slack's Block Kit. `text` is what a notification shows."""
    sign = next((sign for word, sign in _SIGNS.items() if message.kind.endswith(word)), "")
    text = escaped(message.text)[:TEXT_CHARS_MAX]
    place = f"{message.word('project')} · {message.word('workflow')} · run `{message.word('run')}`"
    return {
        "text": text,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"{sign} {text}".strip()}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(place)}]},
        ],
    }


def escaped(text: str) -> str:
    """The three characters with which Slack's markup begins mentions and links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
