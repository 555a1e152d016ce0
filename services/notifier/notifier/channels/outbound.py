"""HTTP to targets that other people name, safely: the address is checked, and everything has a limit.

A host is resolved once for each connection, refused unless it is on the public internet or in a network of the
settings, and the connection goes to the very address that was checked; TLS still asks for the host's name. No
redirect is followed, no proxy and no cookie is used. Connections are kept, for a busy target gets many events.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import h11

from notifier.channels.connection import Answer, Connections, Place
from notifier.channels.port import ANSWER_CHARS_MAX, Told, clean, failed
from penstock.network import Network, NotPermitted

TOTAL_S = (
    15.0  # from the resolver's first question to the answer's last byte; Standard Webhooks wants 15 to 30 s
)

_GONE = 410


class Outbound:
    """Sends requests; `allowed` are private networks that may be called all the same."""

    def __init__(self, allowed: Sequence[Network] = (), *, tls: ssl.SSLContext | None = None) -> None:
        self.allowed = tuple(allowed)
        self._connections = Connections(self.allowed, tls or ssl.create_default_context())

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Told:
        """What the target answered; 2xx is success. Never raises for what the network does."""
        try:
            place, request = _request(url, headers, len(body))
            async with asyncio.timeout(TOTAL_S):
                return _told(await self._connections.exchange(place, request, body))
        except h11.LocalProtocolError:  # its words would show what may be a secret
            return failed("there is a character in the address or in a header that HTTP does not allow")
        except TimeoutError:
            return failed(f"no answer within {TOTAL_S:g} s")
        except NotPermitted as error:
            return failed(f"refused: {error}; PENSTOCK_NOTIFIER_NETWORKS names private networks to allow")
        except (OSError, h11.RemoteProtocolError) as error:
            return failed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

    async def close_idle(self) -> None:
        self._connections.close_idle()

    def close(self) -> None:
        self._connections.close()


def _request(url: str, headers: Mapping[str, str], body_bytes: int) -> tuple[Place, h11.Request]:
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    place = Place(parts.hostname or "", parts.port or (443 if is_tls else 80), is_tls)
    complete = {
        "Host": parts.netloc,
        "User-Agent": "Penstock",
        "Accept": "*/*",
        "Content-Length": str(body_bytes),
        **headers,
    }
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    return place, h11.Request(method="POST", target=target, headers=list(complete.items()))


def _told(answer: Answer) -> Told:
    ok = 200 <= answer.status < 300
    return Told(
        ok=ok,
        status=answer.status,
        answer=clean(answer.body.decode(errors="replace"))[:ANSWER_CHARS_MAX],
        error="" if ok else f"the answer was {answer.status}",
        asked=None if ok else _retry_after(answer.headers),
        is_gone=answer.status == _GONE,
    )


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> timedelta | None:
    """Seconds or a date (RFC 9110 §10.2.3); what is neither says nothing."""
    text = next((value.decode("latin-1") for name, value in headers if name == b"retry-after"), "")
    if text.isdecimal() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(timedelta(0), moment - datetime.now(UTC))
