"""The files of one attempt: artifacts in its input become paths, paths in its output become artifacts."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from io import FileIO
from pathlib import Path
from typing import IO

from agent_runner.archive import pack, unpack
from agent_runner.artifacts import ArtifactStore, Stored
from agent_runner.beneath import is_folder, opened
from agent_runner.modes.port import Folders
from agent_runner.references import paths_below, references_in, replaced
from agent_runner.trees import Key, UnpackedTrees
from penstock.contracts.artifact import ArtifactReference
from penstock.contracts.workflow import Json

_READABLE = 0o644  # the agent's user is not ours

Put = Callable[[IO[bytes]], Awaitable[Stored]]


class AttemptFiles:
    """Brings, collects, cleans. Whatever touches a disk for long does so in a thread."""

    def __init__(
        self, artifacts: ArtifactStore, *, scratch: Path, trees: UnpackedTrees | None = None
    ) -> None:
        self._artifacts = artifacts
        self._scratch = scratch  # for archives on their way out
        self._trees = trees  # None: agents could write to what they are given, so nothing is shared

    async def bring(self, value: Json, folders: Folders, *, project: str) -> Json:
        """Put every artifact that `value` names into the attempt's in folder; `value` with paths instead."""
        names: dict[str, str] = {}
        taken: set[str] = set()
        for reference in references_in(value):
            name = reference.name if reference.name not in taken else f"{reference.sha256}-{reference.name}"
            taken.add(name)
            await self._place(reference, folders.host_in / name, project=project)
            names[str(reference)] = f"{folders.seen_in}/{name}"
        return replaced(value, names)

    async def _place(self, reference: ArtifactReference, path: Path, *, project: str) -> None:
        fetch = partial(self._artifacts.fetch, reference.sha256, project=project)
        if reference.is_directory and self._trees is not None:
            await self._trees.place(Key(project, reference.sha256), path, fetch=fetch)
            return
        with await fetch() as content:
            await asyncio.to_thread(_place, content, reference, path)

    async def collect(
        self, value: Json, folders: Folders, *, project: str, traceparent: str | None = None
    ) -> Json:
        """Store every file and folder below the out folder that `value` names; `value` with URIs instead."""
        names: dict[str, str] = {}
        for relative in paths_below(value, folders.seen_out):
            with opened(folders.host_out, relative) as descriptor:
                if descriptor is None:
                    continue  # an ordinary string that looks like a path
                name = relative.removesuffix("/").rsplit("/", 1)[-1]
                put = partial(self._artifacts.put, project=project, traceparent=traceparent)
                reference = await self._store(descriptor, name=name, put=put)
            names[f"{folders.seen_out}/{relative}"] = str(reference)
        return replaced(value, names)

    async def clean(self, folders: Folders) -> None:
        """Remove what the attempt brought and wrote; its whole sandbox folder if it had one of its own."""
        doomed = (folders.host_in, folders.host_out) if folders.key else (folders.work,)
        if any(map(_exists, doomed)):
            await asyncio.to_thread(_remove, doomed)

    async def _store(self, descriptor: int, *, name: str, put: Put) -> ArtifactReference:
        if not is_folder(descriptor):
            with FileIO(os.dup(descriptor)) as file:
                stored = await put(file)
            return ArtifactReference(sha256=stored.sha256, name=name)
        with tempfile.TemporaryFile(dir=self._scratch) as archive:
            await asyncio.to_thread(pack, descriptor, archive)
            stored = await put(archive)
        return ArtifactReference(sha256=stored.sha256, name=name, is_directory=True)


def _place(content: IO[bytes], reference: ArtifactReference, path: Path) -> None:
    if reference.is_directory:
        unpack(content, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(_READABLE)


def _exists(folder: Path) -> bool:
    """A look at a local folder costs less than asking a thread for it."""
    return os.path.lexists(folder)


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
