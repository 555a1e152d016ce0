"""What a channel is: it tells a target one thing, and says what became of that. tests/notifier holds all to it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from penstock.contracts.limits import KIB
from penstock.contracts.value import Value, replace
from penstock.contracts.workflow import Json

ANSWER_CHARS_MAX = KIB  # of what a target answered, for the log of tries
ERROR_CHARS_MAX = KIB
SECRET_CHARS_MIN = 4


class Message(Value, frozen=True, kw_only=True):
    """What is told. `id` is the same at every try; `document` is what expressions see as `event`.

    `said` is the subscription's own template, filled in: text, or JSON for a webhook. `text` is `said` if that is
    text, otherwise one sentence of ours.
    """

    id: str
    at: datetime  # of this try
    happened_at: datetime
    document: dict[str, Json]
    cloud_event: bytes
    text: str
    said: Json = None
    traceparent: str | None = None

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    def word(self, key: str) -> str:
        """A member of the event as text; empty if it has none."""
        value = self.document.get(key)
        return "" if value is None else str(value)


class Told(Value, frozen=True, kw_only=True):
    """What became of one try. `asked`: how long the target wants to be left alone. `is_gone`: for ever."""

    ok: bool
    status: int | None = None
    answer: str = ""
    error: str = ""
    asked: timedelta | None = None
    is_gone: bool = False


class Channel(Protocol):
    """`target` names where it sends without anything secret; `concurrent_max` bounds what one target gets at once."""

    @property
    def target(self) -> str: ...

    @property
    def concurrent_max(self) -> int: ...

    @property
    def secrets(self) -> Sequence[str]:
        """Texts that are never shown, also when a target answers with what it was sent."""
        ...

    async def send(self, message: Message) -> Told:
        """Tell once. Never raises for what the target or the network does."""
        ...


def failed(error: str) -> Told:
    return Told(ok=False, error=clean(error)[:ERROR_CHARS_MAX])


def redacted(told: Told, secrets: Sequence[str]) -> Told:
    """Without what is secret; a shorter text than four characters is found everywhere."""
    answer, error = told.answer, told.error
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SECRET_CHARS_MIN:
            answer, error = answer.replace(secret, "…"), error.replace(secret, "…")
    return replace(told, answer=answer, error=error)


def clean(text: str) -> str:
    """What the database takes: no U+0000."""
    return text.replace("\x00", "")
