"""Files by their SHA-256 in one folder: written to a temporary name, renamed when whole, noted in a table."""

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.engine.artifact_port import OpenArtifact, StoredArtifact
from orchestrator.store.composed import Database
from orchestrator.store.tables import artifact
from penstock.contracts.errors import LimitExceeded, NotFound, Problem, Unavailable
from penstock.contracts.limits import ARTIFACT_BYTES_MAX, MIB

CHUNK_BYTES = 1 * MIB  # what one visit to a thread reads or writes
PREFIX_CHARS = 2
ABANDONED_S = 24 * 3600  # an upload that has not grown for a day will not go on

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:sha256, 0))")


class ArtifactFolder:
    """`Artifacts` in a folder that all orchestrators share. A file is there as a whole or not at all."""

    def __init__(self, folder: Path, database: Database, *, bytes_max: int = ARTIFACT_BYTES_MAX) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._database = database
        self._bytes_max = bytes_max
        self._incoming.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(self._incoming)

    async def put(self, chunks: AsyncIterator[bytes]) -> StoredArtifact:
        """The file is renamed before its row is written: a row never names a file that is not there."""
        try:
            return await self._receive(chunks)
        except OSError as error:
            raise _not_written(error) from error

    async def read(self, sha256: str) -> OpenArtifact:
        if not _SHA256.fullmatch(sha256):
            raise NotFound("artifact", sha256)
        try:
            file = await asyncio.to_thread(self._path(sha256).open, "rb")
        except FileNotFoundError as error:
            raise NotFound("artifact", sha256) from error
        return OpenArtifact(sha256, os.fstat(file.fileno()).st_size, _chunks_of(file))

    async def remove(self, sha256: str) -> None:
        """Delete the file of an artifact whose row is gone, unless it has been stored again."""
        there = select(artifact.c.sha256).where(artifact.c.sha256 == sha256)
        async with self._only_one_at(sha256) as connection:
            if (await connection.execute(there)).first() is None:
                await asyncio.to_thread(self._path(sha256).unlink, missing_ok=True)

    async def remove_strays(self) -> int:
        """Looks at one folder of 256 after the other. A file of today may get its row yet."""
        removed = 0
        for folder in await asyncio.to_thread(_folders, self._folder):
            names = await asyncio.to_thread(_names_before, folder, time.time() - ABANDONED_S)
            found = await self._database.rows(
                select(artifact.c.sha256).where(artifact.c.sha256.startswith(folder.name))
            )
            strays = names - {row.sha256 for row in found}
            for sha256 in strays:
                await self.remove(sha256)
            removed += len(strays)
        return removed

    async def _receive(self, chunks: AsyncIterator[bytes]) -> StoredArtifact:
        descriptor, name = await asyncio.to_thread(tempfile.mkstemp, dir=self._incoming)
        incoming = _Incoming(Path(name), os.fdopen(descriptor, "wb"), self._bytes_max)
        try:
            async for block in _blocks(chunks):
                await asyncio.to_thread(incoming.write, block)
            sha256 = await asyncio.to_thread(incoming.finish)
            stored = StoredArtifact(sha256=sha256, size_bytes=incoming.size_bytes)
            await self._keep(incoming.place, stored)
            return stored
        except BaseException:
            incoming.abandon()
            raise

    async def _keep(self, incoming: Path, stored: StoredArtifact) -> None:
        """Stored again, its grace begins anew."""
        note = insert(artifact).values(sha256=stored.sha256, size_bytes=stored.size_bytes)
        renewed = note.on_conflict_do_update(index_elements=["sha256"], set_={"stored_at": func.now()})
        async with self._only_one_at(stored.sha256) as connection:
            try:
                await asyncio.to_thread(_move, incoming, self._path(stored.sha256))
            except OSError as error:  # of the disk, not of the database
                raise _not_written(error) from error
            await connection.execute(renewed)

    @asynccontextmanager
    async def _only_one_at(self, sha256: str) -> AsyncIterator[AsyncConnection]:
        """A transaction during which nobody else stores or removes this file, in any orchestrator."""
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, {"sha256": sha256})
            yield connection

    def _path(self, sha256: str) -> Path:
        """Two levels, so that no folder gets too many entries."""
        return self._folder / sha256[:PREFIX_CHARS] / sha256


class _Incoming:
    """A file while it arrives: hashed and counted as it is written."""

    def __init__(self, place: Path, file: IO[bytes], bytes_max: int) -> None:
        self.place = place
        self.size_bytes = 0
        self._file = file
        self._bytes_max = bytes_max
        self._hash = hashlib.sha256()

    def write(self, block: bytes) -> None:
        self.size_bytes += len(block)
        if self.size_bytes > self._bytes_max:
            message = f"larger than the limit of {self._bytes_max} bytes"
            raise LimitExceeded(f"the artifact is {message}", (Problem(path="", message=message),))
        self._hash.update(block)
        self._file.write(block)

    def finish(self) -> str:
        """Bytes on the disk before the name: a crash leaves no name with less behind it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()

    def abandon(self) -> None:
        self._file.close()
        self.place.unlink(missing_ok=True)


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Small chunks gathered: a visit to a thread costs more than writing 64 KiB."""
    gathered = bytearray()
    async for chunk in chunks:
        gathered += chunk
        if len(gathered) >= CHUNK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


async def _chunks_of(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def _move(incoming: Path, place: Path) -> None:
    """The same bytes may be there already; then the new file simply takes the old one's place."""
    place.parent.mkdir(exist_ok=True)
    incoming.chmod(0o644)
    incoming.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if len(folder.name) == PREFIX_CHARS)


def _names_before(folder: Path, moment: float) -> set[str]:
    return {file.name for file in folder.iterdir() if file.stat().st_mtime < moment}


def _not_written(error: OSError) -> Unavailable:
    return Unavailable(f"the artifact could not be written: {error.strerror}")


def _remove_abandoned(incoming: Path) -> None:
    oldest = time.time() - ABANDONED_S
    for file in incoming.iterdir():
        if file.stat().st_mtime < oldest:
            file.unlink(missing_ok=True)
