"""Unpacked folders, kept while the nodes of a run ask for the same one: each attempt gets links to its files.

A link costs an eighth of a file. It is only safe where an agent cannot write through it, so whoever opens these
trees must know that the sandbox mounts its input read-only. A project is never given another's tree.
"""

import asyncio
import os
import shutil
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple

import structlog

from agent_runner.archive import unpack
from penstock.contracts.limits import GIB

TREES_MAX = 64
TREE_BYTES_MAX = GIB  # of all of them together

log = structlog.get_logger(__name__)

Fetch = Callable[[], Awaitable[IO[bytes]]]


class Key(NamedTuple):
    project: str
    sha256: str


class Kept(NamedTuple):
    folder: Path
    size_bytes: int


class UnpackedTrees:
    """The trees below `folder`, which nobody else may enter."""

    def __init__(self, folder: Path, *, bytes_max: int = TREE_BYTES_MAX, trees_max: int = TREES_MAX) -> None:
        self._folder = folder
        self._bytes_max, self._trees_max = bytes_max, trees_max
        self._kept: OrderedDict[Key, Kept] = OrderedDict()  # the least recently used first
        self._unpacking: dict[Key, asyncio.Task[Kept]] = {}
        self._names = count()

    async def place(self, key: Key, target: Path, *, fetch: Fetch) -> None:
        """Make the new folder `target` of the archive that `fetch` opens, or of what was kept of it."""
        kept = self._kept.get(key) or await self._unpacked_once(key, fetch)
        try:
            await asyncio.to_thread(_link_all, kept.folder, target)
        except OSError as error:  # dropped meanwhile, or the file system has no more links for it
            log.info("trees.unpacked_again", reason=str(error))
            with await fetch() as content:
                await asyncio.to_thread(_unpack_anew, content, target)
        if key in self._kept:
            self._kept.move_to_end(key)
        await self._drop_oldest()

    async def _unpacked_once(self, key: Key, fetch: Fetch) -> Kept:
        """Of several who want the same tree at once, one unpacks it. One who gives up stops no other."""
        task = self._unpacking.get(key)
        if task is None:
            task = self._unpacking[key] = asyncio.create_task(self._unpack(key, fetch))
            task.add_done_callback(lambda _: self._unpacking.pop(key, None))
        return await asyncio.shield(task)

    async def _unpack(self, key: Key, fetch: Fetch) -> Kept:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._folder / str(next(self._names))
        try:
            with await fetch() as content:
                size = await asyncio.to_thread(unpack, content, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        kept = self._kept[key] = Kept(folder, size)
        return kept

    async def _drop_oldest(self) -> None:
        """What attempts have linked stays theirs."""
        doomed = []
        while self._kept and (
            len(self._kept) > self._trees_max
            or sum(kept.size_bytes for kept in self._kept.values()) > self._bytes_max
        ):
            doomed.append(self._kept.popitem(last=False)[1].folder)
        for folder in doomed:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _unpack_anew(content: IO[bytes], target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    unpack(content, target)


def _link_all(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    _link_below(str(source), str(target))


def _link_below(source: str, target: str) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            path = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(path)
                _link_below(entry.path, path)
            else:
                os.link(entry.path, path, follow_symlinks=False)
