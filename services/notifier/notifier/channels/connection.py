"""Connections to targets over HTTP/1.1, kept while they are good; h11 speaks the protocol, the limits are ours."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import h11

from penstock.contracts.limits import KIB
from penstock.contracts.value import Value
from penstock.network import Network, permitted_addresses

CONNECT_S = 5.0  # for each address
ANSWER_BYTES_MAX = 64 * KIB  # of the body; more is not read
HEAD_BYTES_MAX = 16 * KIB
IDLE_S = 4.0  # many servers close after 5: who closes first has no race
IDLE_MAX = 16  # of one place: what one target gets at once
_CHUNK_BYTES = 16 * KIB


class Place(Value, frozen=True):
    """What a connection leads to. `host` is a name or an address, as the URL has it."""

    host: str
    port: int
    is_tls: bool


class Answer(Value, frozen=True):
    """`headers` have lower-case names; `body` is the beginning."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class NotAnswered(ConnectionError):
    """The connection ended before an answer came."""


@dataclass(eq=False)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
    )
    idle_since: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether another request may be sent."""
        fresh = time.monotonic() - self.idle_since < IDLE_S
        return fresh and not self.reader.at_eof() and not self.writer.is_closing()

    async def exchange(self, request: h11.Request, body: bytes) -> Answer:
        """Raises OSError or h11.RemoteProtocolError."""
        send = self.protocol.send
        self.writer.write(
            (send(request) or b"") + (send(h11.Data(body)) or b"") + (send(h11.EndOfMessage()) or b"")
        )
        await self.writer.drain()
        response = await self._event()
        while isinstance(response, h11.InformationalResponse):
            response = await self._event()
        if not isinstance(response, h11.Response):
            raise NotAnswered("the target closed the connection without an answer")
        return Answer(response.status_code, list(response.headers), await self._body())

    def may_be_kept(self) -> bool:
        """Whether the exchange ended so that another may follow; if so, ready for it."""
        if self.protocol.our_state is not h11.DONE or self.protocol.their_state is not h11.DONE:
            return False
        self.protocol.start_next_cycle()
        self.idle_since = time.monotonic()
        return True

    def close(self) -> None:
        self.writer.close()

    async def _body(self) -> bytes:
        body = bytearray()
        while len(body) < ANSWER_BYTES_MAX:
            event = await self._event()
            if not isinstance(event, h11.Data):
                break
            body += event.data
        return bytes(body[:ANSWER_BYTES_MAX])

    async def _event(self) -> h11.Event:
        while (event := self.protocol.next_event()) is h11.NEED_DATA:
            self.protocol.receive_data(await self.reader.read(_CHUNK_BYTES))
        assert not isinstance(event, type), "we send one request after the other, so nothing is paused"
        return event


class Connections:
    """Opens connections to addresses that may be called, and keeps those that are idle."""

    def __init__(self, allowed: Sequence[Network], tls: ssl.SSLContext) -> None:
        self._allowed = allowed
        self._tls = tls
        self._idle: dict[Place, list[Connection]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def exchange(self, place: Place, request: h11.Request, body: bytes) -> Answer:
        """Raises OSError, NotPermitted or h11.RemoteProtocolError."""
        kept = self._take(place)
        if kept is not None:
            try:
                return await self._exchange(place, kept, request, body)
            except ConnectionError:
                pass  # it was closed at the other end just now; whoever is told twice knows the id
        return await self._exchange(place, await self._open(place), request, body)

    def close(self) -> None:
        for connection in (each for kept in self._idle.values() for each in kept):
            connection.close()
        self._idle.clear()

    def close_idle(self) -> None:
        """For the clock: what was idle for too long is closed, not only passed over."""
        for place, kept in list(self._idle.items()):
            for connection in [each for each in kept if not each.is_good]:
                kept.remove(connection)
                connection.close()
            if not kept:
                del self._idle[place]

    async def _exchange(
        self, place: Place, connection: Connection, request: h11.Request, body: bytes
    ) -> Answer:
        keep = False
        try:
            answer = await connection.exchange(request, body)
            keep = connection.may_be_kept()
        finally:
            if not keep:
                connection.close()
        if keep:
            self._keep(place, connection)
        return answer

    def _keep(self, place: Place, connection: Connection) -> None:
        kept = self._idle.setdefault(place, [])
        kept.append(connection)
        if len(kept) > IDLE_MAX:
            kept.pop(0).close()

    def _take(self, place: Place) -> Connection | None:
        """The one used last: the others may grow old together."""
        kept = self._idle.get(place, [])
        while kept:
            connection = kept.pop()
            if connection.is_good:
                return connection
            connection.close()
        return None

    async def _open(self, place: Place) -> Connection:
        """To the very address that was checked; TLS asks for the name."""
        addresses = await self._addresses(place)
        failure: OSError = OSError(f"{place.host} has no address")
        for address in dict.fromkeys(addresses):
            try:
                async with asyncio.timeout(CONNECT_S):
                    return Connection(*await self._connect(place, address))
            except TimeoutError:
                failure = OSError(f"no connection to {address} within {CONNECT_S:g} s")
            except OSError as error:
                failure = error
        raise failure

    async def _addresses(self, place: Place) -> list[str]:
        """Who asks for the same at the same time shares the answer.

        The resolver has four threads and its questions cannot be called back: a dead name must not hold them all.
        """
        key = (place.host, place.port)
        question = self._asking.get(key)
        if question is None:
            question = asyncio.create_task(permitted_addresses(*key, allowed=self._allowed))
            question.add_done_callback(lambda done: self._answered(key, done))
            self._asking[key] = question
        return await asyncio.shield(question)

    def _answered(self, key: tuple[str, int], question: "asyncio.Task[list[str]]") -> None:
        del self._asking[key]
        if not question.cancelled():
            question.exception()  # seen, also when everybody who asked has given up

    async def _connect(self, place: Place, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = self._tls if place.is_tls else None
        name = place.host if place.is_tls else None
        return await asyncio.open_connection(address, place.port, ssl=tls, server_hostname=name)
