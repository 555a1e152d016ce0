"""Asking links whether they are alive: politely, within limits, and only hosts of the allow-list."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urljoin

import httpx

from paper.allowlist import AllowList, host_of
from paper.checked import NOT_ON_LIST, Checked
from paper.links import Link

AT_ONCE = 8  # requests, over all hosts
AT_ONCE_OF_HOST = 2
REDIRECTS_MAX = 8
REQUEST_S = 15.0  # for one request; a slow archive takes some seconds
TRIES = 3
PAUSE_S_MAX = 20.0  # longer than this nobody waits for a host that says 429
TOTAL_S_MAX = 240.0  # for all links; what is left is told as unreachable
_PAUSE_S = 1.0
_SAID_BYTES_MAX = 1024
_AGENT = "penstock-paper-analysis/1.0 (checks links of papers)"
_NO_HEAD = {
    400,
    401,
    403,
    404,
    405,
    406,
    410,
    429,
    500,
    501,
    502,
    503,
}  # of servers that answer HEAD wrongly, and of the proxy
_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_DOI_HOSTS = {"doi.org:443", "dx.doi.org:443", "doi.org:80", "dx.doi.org:80"}

Note = Callable[[Mapping[str, Checked]], Awaitable[None]]


class LinkChecker:
    """Checks links with one client; `note` hears of all results so far after each link."""

    def __init__(self, client: httpx.AsyncClient, allowed: AllowList, *, note: Note | None = None) -> None:
        self._client = client
        self._allowed = allowed
        self._note = note
        self._all = asyncio.Semaphore(AT_ONCE)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_ONCE_OF_HOST)
        )
        self._done: dict[str, Checked] = {}
        self._ends = time.monotonic() + TOTAL_S_MAX

    async def check(self, links: Iterable[Link], *, known: Mapping[str, Checked]) -> list[Checked]:
        """The result of each link, in their order. `known` ones are not asked again."""
        links = list(links)
        self._done = {link.url: known[link.url] for link in links if link.url in known}
        await asyncio.gather(*(self._check(link) for link in links if link.url not in self._done))
        return [self._done[link.url] for link in links]

    async def _check(self, link: Link) -> None:
        result = await self._asked(link.url)
        if result.state == "broken" and link.shorter:
            shorter = await self._asked(link.shorter)
            if shorter.state == "ok":
                result = replace(shorter, url=link.url, note=f"{shorter.note}; the address ends at the line")
        self._done[link.url] = replace(result, page=link.page, kind=link.kind)
        if self._note and result.state != "not_allowed":
            await self._note(self._done)

    async def _asked(self, url: str) -> Checked:
        host = host_of(url)
        if host is None or not self._allowed.permits(url):
            return Checked(url, "not_allowed", NOT_ON_LIST)
        async with self._all, self._hosts[host]:
            for attempt in range(1, TRIES + 1):
                result, pause = await self._tried(url)
                if pause is None or attempt == TRIES or pause > PAUSE_S_MAX or self._is_late(pause):
                    return result
                await asyncio.sleep(pause * (1 if pause > _PAUSE_S else attempt))
        raise AssertionError("the loop returns")

    async def _tried(self, url: str) -> tuple[Checked, float | None]:
        """The result, and how long to wait before it is worth asking again (None: it is final)."""
        if self._is_late(0):
            return Checked(url, "unreachable", "there was no time left for it"), None
        try:
            return await self._followed(url)
        except (httpx.TimeoutException, TimeoutError):
            return Checked(url, "unreachable", f"no answer within {REQUEST_S:.0f} s"), _PAUSE_S
        except httpx.ProxyError as error:  # the runner's proxy has refused or could not connect
            return _refused(url, str(error)), None
        except httpx.InvalidURL as error:
            return Checked(url, "broken", f"no valid address: {error}"), None
        except httpx.HTTPError as error:
            return Checked(url, "unreachable", f"{type(error).__name__}: {error}"[:200]), _PAUSE_S

    async def _followed(self, url: str) -> tuple[Checked, float | None]:
        """Go from redirect to redirect, each only if its host is on the list."""
        address = url
        for _ in range(REDIRECTS_MAX + 1):
            answer, said = await self._answer(address)
            target = answer.headers.get("location")
            if answer.status_code not in _REDIRECTS or not target:
                return _judged(url, address, answer, said)
            following = urljoin(address, target)
            if not self._allowed.permits(following):
                return _left_the_list(url, address, following, answer.status_code), None
            address = following
        return Checked(url, "broken", f"more than {REDIRECTS_MAX} redirects", final_url=address), None

    async def _answer(self, url: str) -> tuple[httpx.Response, str]:
        """HEAD, and GET where a server may not know HEAD; and what the proxy says, if it is its answer.

        Of other bodies nothing is read. A server that sends a letter at a time has no more time than any other.
        """
        async with asyncio.timeout(REQUEST_S):
            answer = await self._client.head(url)
            if answer.status_code not in _NO_HEAD:
                return answer, ""
            async with self._client.stream("GET", url) as answer:
                return answer, await _start_of(answer) if _is_proxys(answer) else ""

    def _is_late(self, pause: float) -> bool:
        return time.monotonic() + pause > self._ends


def client() -> httpx.AsyncClient:
    """Through the proxy that the sandbox's environment names."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    return httpx.AsyncClient(
        timeout=REQUEST_S,
        limits=limits,
        headers={"user-agent": _AGENT, "accept": "*/*"},
        follow_redirects=False,
    )


async def _start_of(answer: httpx.Response) -> str:
    """What looks like the proxy's sentence may be a stranger's endless body."""
    said = b""
    with suppress(httpx.HTTPError):
        async for part in answer.aiter_bytes(_SAID_BYTES_MAX):
            said += part
            if len(said) >= _SAID_BYTES_MAX:
                break
    return said[:_SAID_BYTES_MAX].decode("utf-8", "replace")


def _judged(url: str, address: str, answer: httpx.Response, said: str) -> tuple[Checked, float | None]:
    status = answer.status_code
    if _is_proxys(answer):
        return _refused(url, said), None
    final = address if address != url else ""
    if status < 300:
        return Checked(url, "ok", f"leads to {final}" if final else "answers", status, final), None
    if status in _GONE:
        return Checked(url, "broken", f"answers {status}: it is not there", status, final), None
    if status == 429 or status >= 500:
        told = "asks for fewer requests" if status == 429 else "has an error"
        return Checked(url, "unreachable", f"the site {told} ({status})", status, final), _pause(answer)
    if status in (401, 403):
        return Checked(url, "unreachable", f"answers {status} to programs or strangers", status, final), None
    return Checked(url, "broken", f"answers {status}", status, final), None


def _left_the_list(url: str, address: str, following: str, status: int) -> Checked:
    """A DOI that its registry knows is registered, wherever it leads; of others nothing is known."""
    if host_of(address) in _DOI_HOSTS:
        return Checked(url, "ok", f"registered; leads to {following}, {NOT_ON_LIST}", status, following)
    return Checked(url, "not_allowed", f"leads to {following}, {NOT_ON_LIST}", status, following)


def _is_proxys(answer: httpx.Response) -> bool:
    """The proxy answers plain http itself: 403 or 502 in its own words."""
    return (
        answer.status_code in (400, 403, 502, 503)
        and answer.headers.get("content-type") == "text/plain"
        and "server" not in answer.headers
        and "date" not in answer.headers
    )


def _refused(url: str, said: str) -> Checked:
    """What the runner's proxy says; of a tunnel only its status is heard."""
    text = said.strip().removeprefix("penstock: ")
    if text.startswith("403") or "is not in the agent's" in text or "public internet" in text:
        return Checked(url, "not_allowed", f"{NOT_ON_LIST}, or not on the public internet")
    reason = "the host is unknown, or nobody answers there" if text.startswith("502") else text[:200]
    return Checked(url, "unreachable", reason or "the proxy does not answer")


def _pause(answer: httpx.Response) -> float:
    """What Retry-After says in seconds, else a second. A date is longer than anybody waits here."""
    said = answer.headers.get("retry-after", "")
    if not said:
        return _PAUSE_S
    return float(said) if said.isdecimal() else PAUSE_S_MAX + 1
