"""HTTP to targets that other people name, safely: the address is checked, and everything has a limit.

A host is resolved once for each connection, refused unless it is on the public internet or in a network of the
settings, and the connection goes to the very address that was checked; TLS still asks for the host's name. No
redirect is followed, no proxy and no cookie is used. Connections are kept, for a busy target gets many events.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpcore

from notifier.channels.port import ANSWER_CHARS_MAX, Told, clean, failed
from penstock.contracts.limits import KIB
from penstock.network import Network, NotPermitted, permitted_addresses

TOTAL_S = (
    15.0  # from the resolver's first question to the answer's last byte; Standard Webhooks wants 15 to 30 s
)
CONNECT_S = 5.0
ANSWER_BYTES_MAX = 64 * KIB  # more is not read; headers have h11's limit of 100 KiB in httpcore
CONNECTIONS_MAX = 512
CONNECTIONS_IDLE_MAX = 128
IDLE_S = 4.0  # many servers close after 5: who closes first has no race

_GONE = 410


class Outbound:
    """Sends requests; `allowed` are private networks that may be called all the same."""

    def __init__(self, allowed: Sequence[Network] = (), *, tls: ssl.SSLContext | None = None) -> None:
        self.allowed = tuple(allowed)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_IDLE_MAX,
            keepalive_expiry=IDLE_S,
            network_backend=_CheckedBackend(self.allowed),
        )

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Told:
        """What the target answered; 2xx is success. Never raises for what the network does."""
        try:
            async with asyncio.timeout(TOTAL_S):
                return await self._post(url, headers, body)
        except TimeoutError:
            return failed(f"no answer within {TOTAL_S:g} s")
        except NotPermitted as error:
            return failed(f"refused: {error}; PENSTOCK_NOTIFIER_NETWORKS names private networks to allow")
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            return failed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

    async def close(self) -> None:
        await self._pool.aclose()

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        # Host and Content-Length are ours to set: httpcore adds nothing by itself but what is in the URL.
        complete = {
            "Host": urlsplit(url).netloc.rpartition("@")[2],
            "User-Agent": "Penstock",
            "Accept": "*/*",
            "Content-Length": str(len(body)),
            **headers,
        }
        async with self._pool.stream("POST", url, headers=list(complete.items()), content=body) as response:
            answer = await _beginning(response)
        return _told(response, answer)


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to an address of the host that is permitted; httpcore does the rest, TLS by the host's name."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await permitted_addresses(host, port, allowed=self._allowed)
        for address in dict.fromkeys(addresses):
            try:
                return await self._sockets.connect_tcp(
                    address, port, CONNECT_S, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                reason = error
        raise reason


async def _beginning(response: httpcore.Response) -> bytes:
    """The body, at most so much of it; whoever sends more is cut off."""
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            break
    return bytes(body[:ANSWER_BYTES_MAX])


def _told(response: httpcore.Response, answer: bytes) -> Told:
    status = response.status
    ok = 200 <= status < 300
    return Told(
        ok=ok,
        status=status,
        answer=clean(answer.decode(errors="replace"))[:ANSWER_CHARS_MAX],
        error="" if ok else f"the answer was {status}",
        asked=None if ok else _retry_after(response.headers),
        is_gone=status == _GONE,
    )


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> timedelta | None:
    """Seconds or a date (RFC 9110 §10.2.3); what is neither says nothing."""
    text = next((value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"), "")
    if text.isdecimal() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(timedelta(0), moment - datetime.now(UTC))
