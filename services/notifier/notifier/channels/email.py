"""E-mail, by SMTP to the operator's server; the connection goes to an address that was checked."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from functools import partial

from notifier.channels.port import Message, Told, failed
from notifier.channels.reading import Secret, Source, secret, secret_keys, texts
from notifier.channels.threads import Threads
from penstock.contracts.value import Value
from penstock.definition.fields import Fields
from penstock.network import Network, NotPermitted, permitted_addresses

KEYS = ("host", "port", "security", "username", *secret_keys("password"), "from", "to")
CONCURRENT_MAX = 2
SOCKET_S = 10.0  # for each answer of the server
RECIPIENTS_MAX = 50
SUBJECT_CHARS_MAX = 150


class Security(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


class Options(Value, frozen=True, kw_only=True):
    host: str
    port: int
    security: Security
    username: str
    password: Secret | None
    sender: str
    to: tuple[str, ...]


def read(fields: Fields, source: Source) -> Options:
    fields.only(KEYS)
    fields.require("host", "the name of an SMTP server")
    security = fields.choice("security", Security, Security.STARTTLS)
    password = secret(fields, "password", source)
    if password is not None and "username" not in fields:
        fields.require("username", "who logs in with the password")
    if password is not None and security is Security.NONE:
        fields.report.error(fields.at("security"), "a password needs starttls or tls: it would be readable")
    return Options(
        host=fields.text("host"),
        port=fields.integer("port", PORTS[security], least=1, most=65535),
        security=security,
        username=fields.text("username"),
        password=password,
        sender=_sender(fields),
        to=_recipients(fields),
    )


class Email:
    concurrent_max = CONCURRENT_MAX

    def __init__(self, options: Options, threads: Threads, allowed: Sequence[Network]) -> None:
        self._options = options
        self._threads = threads
        self._allowed = allowed

    @property
    def target(self) -> str:
        return f"smtp://{self._options.host}:{self._options.port} to {', '.join(self._options.to)}"

    @property
    def secrets(self) -> Sequence[str]:
        return () if self._options.password is None else (self._options.password.value,)

    async def send(self, message: Message) -> Told:
        host, port = self._options.host, self._options.port
        try:
            addresses = await permitted_addresses(host, port, allowed=self._allowed)
        except NotPermitted as error:
            return failed(f"refused: {error}; PENSTOCK_NOTIFIER_NETWORKS names private networks to allow")
        except OSError as error:
            return failed(f"cannot resolve {host}: {error.strerror}")
        return await self._threads.run(
            partial(_send, letter(message, self._options), self._options, addresses), target=self._options
        )


def letter(message: Message, options: Options) -> EmailMessage:
    """The id of the delivery is the message's: a mailbox can see that a letter came twice."""
    mail = EmailMessage()
    mail["From"] = options.sender
    mail["To"] = ", ".join(options.to)
    first = message.text.strip().partition("\n")[0]
    mail["Subject"] = "".join(filter(str.isprintable, f"[Penstock] {first}"))[:SUBJECT_CHARS_MAX]
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.id}@penstock>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
    run = f"{message.word('project')}/{message.word('workflow')}, run {message.word('run')}"
    mail.set_content(f"{message.text}\n\n-- \n{message.kind} of {run}\n")
    return mail


def _send(mail: EmailMessage, options: Options, addresses: Sequence[str]) -> Told:
    try:
        with _server(options, addresses) as server:
            if options.security is Security.STARTTLS:
                server.starttls(context=ssl.create_default_context())
            if options.username and options.password is not None:
                server.login(options.username, options.password.value)
            server.send_message(mail)
    except smtplib.SMTPResponseException as error:
        answer = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else ""
        return failed(f"the server answered {error.smtp_code} {answer}")
    except (smtplib.SMTPException, OSError) as error:
        return failed(f"{type(error).__name__}: {error}")
    return Told(ok=True, answer="the server took it")


def _server(options: Options, addresses: Sequence[str]) -> smtplib.SMTP:
    if options.security is Security.TLS:
        return _CheckedTls(options, addresses)
    return _Checked(options, addresses)


class _Checked(smtplib.SMTP):
    """Connects to what was checked, and asks the certificate for the name."""

    def __init__(self, options: Options, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        super().__init__(options.host, options.port, timeout=SOCKET_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return _connect(self._addresses, port)


class _CheckedTls(smtplib.SMTP_SSL):
    def __init__(self, options: Options, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        super().__init__(options.host, options.port, timeout=SOCKET_S, context=ssl.create_default_context())

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.context.wrap_socket(_connect(self._addresses, port), server_hostname=host)


def _connect(addresses: Sequence[str], port: int) -> socket.socket:
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), SOCKET_S)
        except OSError:
            continue  # the next one may answer
    return socket.create_connection((addresses[-1], port), SOCKET_S)


def _sender(fields: Fields) -> str:
    fields.require("from", "the address that letters are from")
    return _address(fields, fields.text("from"), "from")


def _recipients(fields: Fields) -> tuple[str, ...]:
    if not fields.require("to", "a list of addresses"):
        return ()
    found = texts(fields, "to", "a list of addresses")
    if not 0 < len(found) <= RECIPIENTS_MAX:
        fields.report.error(fields.at("to"), f"expected 1 to {RECIPIENTS_MAX} addresses, got {len(found)}")
    return tuple(_address(fields, text, "to") for text in found)


def _address(fields: Fields, text: str, key: str) -> str:
    name, at, domain = text.rpartition("@")
    if key in fields and not (
        at and name and domain and text.isprintable() and " " not in text and "," not in text
    ):
        fields.report.error(fields.at(key), f"expected an address like ops@example.org, got '{text[:60]}'")
    return text
