"""Artifacts: fetched from the orchestrator through a cache of files, and stored there. Streamed, never in memory."""

import asyncio
import hashlib
import os
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO, TypeVar

import httpx
import msgspec
import structlog

from penstock.contracts.errors import InvalidInput, LimitExceeded, NotFound, Unavailable
from penstock.contracts.limits import ARTIFACT_BYTES_MAX, GIB, KIB
from penstock.http.tracing import HEADER
from penstock.telemetry import metrics

CACHE_BYTES_MAX = 4 * GIB
PIECE_BYTES = 256 * KIB
PATIENCE_S = 20.0  # finished work outlives a restart of the orchestrator
_PAUSE_S = 0.5
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Stored(msgspec.Struct, frozen=True):
    """What the orchestrator answers to an upload."""

    sha256: str
    size_bytes: int


class ArtifactStore:
    """The orchestrator's artifacts, seen from this machine."""

    def __init__(self, *, url: str, cache: Path) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT)
        self._cache = cache
        self._sizes: OrderedDict[str, int] = OrderedDict()  # cached files, the least recently used first
        self._fetching: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        await self._client.aclose()

    async def fetch(self, sha256: str, *, project: str) -> IO[bytes]:
        """The artifact, open for reading: it stays readable although the cache may drop its file."""
        while sha256 not in self._sizes:
            await self._fetch_once(sha256, project)
        self._sizes.move_to_end(sha256)
        return (self._cache / sha256).open("rb")

    async def put(self, content: IO[bytes], *, project: str, traceparent: str | None = None) -> Stored:
        """Store the whole of a seekable file. `traceparent`: of the attempt that wants it."""

        async def put() -> Stored:
            content.seek(0)
            return await self.put_stream(_pieces(content), project=project, traceparent=traceparent)

        return await _patiently(put)

    async def put_stream(
        self, pieces: AsyncIterator[bytes], *, project: str, traceparent: str | None = None
    ) -> Stored:
        """Store what comes, once: a stream cannot be sent again."""
        digest = hashlib.sha256()
        try:
            response = await self._client.post(
                "/api/v1/artifacts",
                content=_measured(pieces, digest.update),
                headers={
                    **_project(project),
                    **({HEADER: traceparent} if traceparent else {}),
                    "Content-Type": "application/octet-stream",
                },
            )
        except httpx.TransportError as error:
            raise Unavailable(f"storing an artifact: {error or type(error).__name__}") from error
        _raise_for(response, "storing an artifact")
        stored = msgspec.json.decode(response.content, type=Stored)
        if stored.sha256 != digest.hexdigest():
            raise Unavailable("storing an artifact: other bytes arrived than were sent")
        metrics.RUNNER_ARTIFACT_BYTES.labels("stored").inc(stored.size_bytes)
        return stored

    async def _fetch_once(self, sha256: str, project: str) -> None:
        """Of several who want the same artifact at once, one fetches it. One who gives up stops no other."""
        task = self._fetching.get(sha256)
        if task is None:
            task = asyncio.create_task(_patiently(lambda: self._download(sha256, project)))
            self._fetching[sha256] = task
            task.add_done_callback(lambda _: self._fetching.pop(sha256, None))
        await asyncio.shield(task)

    async def _download(self, sha256: str, project: str) -> None:
        what = f"fetching artifact {sha256[:12]}…"
        with tempfile.NamedTemporaryFile(dir=self._cache, delete=False) as file:
            try:
                async with self._client.stream(
                    "GET", f"/api/v1/artifacts/{sha256}", headers=_project(project)
                ) as response:
                    if response.status_code >= 300:
                        await response.aread()
                    _raise_for(response, what)
                    digest = await _save(response, file)
                if digest != sha256:
                    raise Unavailable(f"{what}: other bytes arrived than were asked for")
                file.flush()
                os.replace(file.name, self._cache / sha256)
            except BaseException as error:
                os.unlink(file.name)
                if isinstance(error, httpx.TransportError):
                    raise Unavailable(f"{what}: {error or type(error).__name__}") from error
                raise
            self._remember(sha256, file.tell())

    def _remember(self, sha256: str, size: int) -> None:
        metrics.RUNNER_ARTIFACT_BYTES.labels("fetched").inc(size)
        self._sizes[sha256] = size
        while sum(self._sizes.values()) > CACHE_BYTES_MAX and len(self._sizes) > 1:
            oldest, _ = self._sizes.popitem(last=False)
            (self._cache / oldest).unlink(missing_ok=True)


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Try again while the orchestrator does not answer, for a while."""
    clock = asyncio.get_running_loop().time
    give_up_at = clock() + PATIENCE_S
    while True:
        try:
            return await work()
        except Unavailable as error:
            if clock() > give_up_at:
                raise
            log.info("artifacts.again", reason=str(error))
        await asyncio.sleep(_PAUSE_S)


async def _save(response: httpx.Response, file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    async for piece in response.aiter_bytes(PIECE_BYTES):
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()


async def _pieces(content: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := content.read(PIECE_BYTES):
        yield piece


async def _measured(pieces: AsyncIterator[bytes], update: Callable[[bytes], object]) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > ARTIFACT_BYTES_MAX:
            raise LimitExceeded(f"expected an artifact of at most {ARTIFACT_BYTES_MAX} bytes")
        update(piece)
        yield piece


def _project(project: str) -> dict[str, str]:
    return {"X-Penstock-Project": project}


def _raise_for(response: httpx.Response, what: str) -> None:
    status = response.status_code
    if status < 300:
        return
    reason = f"{what}: {status} {response.text[:300]}"
    if status == 404:
        raise NotFound("artifact", what.removeprefix("fetching artifact "))
    if status == 413:
        raise LimitExceeded(reason)
    if status < 500:
        raise InvalidInput(reason)
    raise Unavailable(reason)
