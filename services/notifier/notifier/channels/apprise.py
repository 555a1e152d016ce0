"""Every other service (Discord, Teams, Telegram, ntfy …) through the library apprise, by its own kind of address.

The library resolves and connects by itself, in a thread. In these threads the resolver answers only with
addresses that may be called, so what was checked is what is connected to, also after a redirect.
"""

import asyncio
import contextvars
import logging
import re
import socket
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from notifier.channels.port import ERROR_CHARS_MAX, Message, Told, clean, failed
from notifier.channels.reading import Secret, Source, secret, secret_keys
from notifier.channels.threads import Threads
from penstock.contracts.names import did_you_mean
from penstock.contracts.value import Value
from penstock.definition.fields import Fields
from penstock.network import Network, NotPermitted, permitted_among

KEYS = secret_keys("url")
CONCURRENT_MAX = 2
URL_EXPECTED = "an address of apprise such as ntfys://host/topic or tgram://token/chat"
# What anybody may name through the API. Others show windows on this machine or read files of it; only an
# operator's file may name those.
SERVICES = (
    *("discord", "gchat", "gotify", "gotifys", "guilded", "mailto", "mailtos", "matrix", "matrixs", "mmost"),
    *("mmosts", "msteams", "ntfy", "ntfys", "opsgenie", "pagerduty", "pover", "rocket", "rockets", "signal"),
    *("signals", "splunk", "tgram", "twilio", "wxteams", "zulip"),
)
_NAMES_FILES = frozenset({"template", "keyfile", "pgpkey", "pgppub", "subfile", "attach", "image"})
SOCKET_S = 5.0  # for a connection, and for each part of an answer
_SECRET_CHARS_MIN = 4  # a shorter part of an address is found everywhere

_allowed: contextvars.ContextVar[tuple[Network, ...] | None] = contextvars.ContextVar("allowed", default=None)
_resolve = socket.getaddrinfo
_is_loaded = False
_library_log = logging.getLogger("apprise")
_library_log.propagate = False  # its words may hold parts of an address


class Options(Value, frozen=True):
    url: Secret


def read(fields: Fields, source: Source) -> Options:
    fields.only(KEYS)
    found = secret(fields, "url", source)
    if found is None:
        if "url_file" not in fields:
            fields.require("url", URL_EXPECTED)
        return Options(Secret(""))
    if wrong := _wrong(found.value, source):
        fields.report.error(fields.at("url" if "url" in fields else "url_file"), wrong)
    return Options(found)


class Apprise:
    concurrent_max = CONCURRENT_MAX

    def __init__(self, options: Options, threads: Threads, allowed: Sequence[Network]) -> None:
        self._url = options.url.value
        self._threads = threads
        self._allowed = tuple(allowed)

    @property
    def target(self) -> str:
        return f"{self._url.partition('://')[0]}://…"

    @property
    def secrets(self) -> Sequence[str]:
        return (self._url,)  # what the library says is without its parts already

    async def send(self, message: Message) -> Told:
        return await self._threads.run(partial(_send, self._url, message, self._allowed), target=self._url)


def _send(url: str, message: Message, allowed: tuple[Network, ...]) -> Told:
    _allowed.set(allowed)
    told = _instance(url)
    if told is None:
        return failed("apprise does not understand the address")
    # An address may ask for other times: cto=, rto=.
    told.socket_connect_timeout = min(told.socket_connect_timeout or SOCKET_S, SOCKET_S)
    told.socket_read_timeout = min(told.socket_read_timeout or SOCKET_S, SOCKET_S)
    words = _Words()
    with words:
        ok = told.notify(body=message.text, title=f"Penstock: {message.kind}")
    if ok:
        return Told(ok=True, answer="apprise says that the service took it")
    said = without_secrets("; ".join(words.said), url)
    return failed(said[:ERROR_CHARS_MAX] or "apprise could not tell the service")


class _Words(logging.Handler):
    """What the library says of its failure in this thread; it tells nothing else than yes or no."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.said.append(record.getMessage())

    def __enter__(self) -> None:
        _library_log.addHandler(self)

    def __exit__(self, *_: object) -> None:
        _library_log.removeHandler(self)


async def load() -> None:
    """The library, in a thread: it takes a second, and nobody else should wait for it."""
    global _is_loaded
    if not _is_loaded:
        await asyncio.to_thread(_instance, "json://localhost")
        _is_loaded = True


def _instance(url: str) -> Any:
    import apprise  # a second and 16 MB with its plugins: only those who use it pay

    asset = apprise.AppriseAsset(
        app_id="Penstock",
        app_desc="Penstock",
        app_url="",
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _wrong(url: str, source: Source) -> str:
    """What is wrong with an address; never the address, for it is a secret."""
    schema, separator, _ = url.partition("://")
    if not separator or not url.isprintable():
        return f"expected {URL_EXPECTED}"
    if not source.may_name_files and (
        schema not in SERVICES or _NAMES_FILES & parse_qs(urlsplit(url).query).keys()
    ):
        hint = did_you_mean(schema, SERVICES)
        return f"its service or its parameters can only be named in the notifier's configuration file{hint}"
    return "" if _instance(url) is not None else "apprise does not understand this address"


def without_secrets(text: str, url: str) -> str:
    """`text` without any part of the address but its schema."""
    parts = [
        part
        for part in re.split(r"[^\w.-]+", unquote(url.partition("://")[2]))
        if len(part) >= _SECRET_CHARS_MIN
    ]
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "…")
    return clean(text)


def _guarded(host: Any, *arguments: Any, **keywords: Any) -> Any:
    """`socket.getaddrinfo`; in our threads only with what may be called."""
    found = _resolve(host, *arguments, **keywords)
    allowed = _allowed.get()
    if allowed is None:
        return found
    try:
        permitted = permitted_among(str(host), [str(entry[4][0]) for entry in found], allowed=allowed)
    except NotPermitted as error:
        raise OSError(f"refused: {error}") from error
    return [entry for entry in found if str(entry[4][0]).partition("%")[0] in permitted]


socket.getaddrinfo = _guarded
