"""Targets for deliveries, as real servers on sockets: one for HTTP that answers as it is told, one for SMTP."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

WAIT_S = 10.0


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass(frozen=True)
class Reply:
    """`body` is sent as it is; `headers` are whole lines. None for `status`: never answer."""

    status: int | None = 200
    body: bytes = b"thanks"
    headers: tuple[str, ...] = ()


@dataclass
class Target:
    """Keeps what it was sent. `reply` may be changed at any time."""

    reply: Callable[[Request], Reply] = lambda request: Reply()
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "Target":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def received(self, count: int) -> list[Request]:
        """The requests, once there are `count`."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)
        return list(self.requests)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(head[0].split(" ")[1], headers, body)
        async with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        reply = self.reply(request)
        if reply.status is None:
            await asyncio.Event().wait()
        lines = [
            f"HTTP/1.1 {reply.status} Said",
            f"Content-Length: {len(reply.body)}",
            *reply.headers,
            "",
            "",
        ]
        writer.write("\r\n".join(lines).encode() + reply.body)
        await writer.drain()
        return True


@dataclass
class SmtpServer:
    """A server that speaks as much of RFC 5321 as a client needs. `refuse`: recipients that it does not know."""

    letters: list[str] = field(default_factory=list)
    refuse: frozenset[str] = frozenset()
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> "SmtpServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test ESMTP\r\n")
        while line := (await reader.readline()).decode():
            verb = line[:4].upper().strip()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                letter = await reader.readuntil(b"\r\n.\r\n")
                self.letters.append(letter.decode())
            if verb == "QUIT":
                break
            writer.write(self._answer(verb, line))
        writer.write(b"221 bye\r\n")
        writer.close()

    def _answer(self, verb: str, line: str) -> bytes:
        if verb == "RCPT" and any(address in line for address in self.refuse):
            return b"550 no such mailbox\r\n"
        return b"250 ok\r\n" if verb in ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET") else b"502 what?\r\n"
