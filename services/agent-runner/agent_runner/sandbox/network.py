"""The way out of a sandbox: a proxy on a unix socket that reaches the hosts of one agent's list, no others.

It resolves a name once, refuses addresses that are not of the public internet (unless the settings name their
network), and connects to the very address it has checked: a name that changes its mind gains nothing.
"""

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from penstock.contracts.errors import InvalidInput
from penstock.contracts.limits import KIB
from penstock.network import Address, Network, NotPermitted, is_permitted, permitted_addresses

CONNECTIONS_MAX = 64  # of one sandbox at once
HEAD_BYTES_MAX = 16 * KIB  # a request line and its headers
_HEAD_DEADLINE_S = 10.0
_CONNECT_DEADLINE_S = 10.0
_CHUNK_BYTES = 64 * KIB


class Refused(Exception):
    """The proxy says no; `status` is HTTP's."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Allowance:
    """What one agent may reach: `hosts` are (name, port) in lower case, `networks` private but permitted."""

    hosts: frozenset[tuple[str, int]]
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, hosts: Iterable[str], networks: Iterable[str] = ()) -> "Allowance":
        return cls(frozenset(map(parse_host, hosts)), tuple(map(ip_network, networks)))

    def permits(self, address: Address) -> bool:
        return is_permitted(address, self.networks)


def parse_host(text: str) -> tuple[str, int]:
    """'api.example.org:443' or '[2001:db8::1]:443' as name and port."""
    name, colon, port = text.strip().lower().rpartition(":")
    name = name.removeprefix("[").removesuffix("]")
    if not colon or not name or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in name:
        raise InvalidInput.at("sandbox.network", f"'{text}' is no host:port, expected e.g. 'example.org:443'")
    return name.removesuffix("."), int(port)


class Proxy:
    """An HTTP proxy (CONNECT, and absolute URIs of plain http) for one sandbox."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, path: Path, *, uid: int | None = None) -> None:
        """Listen at `path`, for the user `uid` only, or for our own."""
        self._server = await asyncio.start_unix_server(self._accept, path, limit=HEAD_BYTES_MAX)
        os.chmod(path, 0o600)
        if uid is not None:
            os.chown(path, uid, uid)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a stream server calls back in a task")
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except Refused as refusal:
            await _say(writer, refusal.status, str(refusal))
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two ends went away: there is nobody left to tell
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) > CONNECTIONS_MAX:
            raise Refused("503 Service Unavailable", f"more than {CONNECTIONS_MAX} connections at once")
        request = await _read_request(reader)
        upstream_reader, upstream_writer = await self._connect(request.host, request.port)
        try:
            if request.forward is None:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream_writer.write(request.forward)
            await _both_ways((reader, upstream_writer), (upstream_reader, writer))
        finally:
            upstream_writer.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if (host, port) not in self._allowance.hosts:
            raise Refused("403 Forbidden", f"{host}:{port} is not in the agent's sandbox.network")
        try:
            permitted = await permitted_addresses(host, port, allowed=self._allowance.networks)
        except OSError as error:
            raise Refused("502 Bad Gateway", f"cannot resolve {host}: {error.strerror}") from error
        except NotPermitted as error:
            raise Refused("403 Forbidden", str(error)) from error
        return await _connect_first(permitted, port)


@dataclass(frozen=True)
class _Request:
    host: str
    port: int
    forward: bytes | None  # None: a tunnel; otherwise the head to send on


async def _read_request(reader: asyncio.StreamReader) -> _Request:
    try:
        async with asyncio.timeout(_HEAD_DEADLINE_S):
            head = await reader.readuntil(b"\r\n\r\n")
    except (TimeoutError, asyncio.LimitOverrunError) as error:
        raise Refused("400 Bad Request", f"no request head of {HEAD_BYTES_MAX} bytes in time") from error
    try:
        return _parse(head.decode("latin-1"))
    except (ValueError, InvalidInput) as error:
        raise Refused("400 Bad Request", str(error)) from error


def _parse(head: str) -> _Request:
    first, _, rest = head.partition("\r\n")
    method, target, protocol = first.split(" ")
    if method == "CONNECT":
        return _Request(*parse_host(target), forward=None)
    url = urlsplit(target)
    if url.scheme != "http" or not url.hostname:
        raise ValueError(f"expected CONNECT or an absolute http URI, not '{target}'")
    path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    # One request for each connection: a second one could name another host.
    kept = [line for line in rest.split("\r\n") if line and not line.lower().startswith(_HOP_BY_HOP)]
    lines = [f"{method} {path} {protocol}", *kept, "Connection: close", "", ""]
    return _Request(url.hostname, url.port or 80, "\r\n".join(lines).encode("latin-1"))


_HOP_BY_HOP = ("connection:", "proxy-connection:", "proxy-authorization:", "keep-alive:")


async def _connect_first(
    addresses: list[str], port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for address in addresses:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_DEADLINE_S):
                return await asyncio.open_connection(address, port)
    raise Refused("502 Bad Gateway", f"nobody answers at {', '.join(addresses)} port {port}")


async def _both_ways(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    async with asyncio.TaskGroup() as group:
        for reader, writer in ways:
            group.create_task(_copy(reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _say(writer: asyncio.StreamWriter, status: str, reason: str) -> None:
    body = f"penstock: {reason}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    with suppress(OSError):
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
