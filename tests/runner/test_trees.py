"""Unpacked trees: made once for all attempts of a project that ask, and gone without harm to those that have them."""

import asyncio
import io
import os
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO

import pytest

from agent_runner.trees import Key, UnpackedTrees
from penstock.contracts.errors import InvalidInput

KEY = Key("ada", "a" * 64)
NAMES = ["a.py", "b", "b/c.py", "b/link"]


def tar(content: bytes = b"1") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in ("a.py", "b/c.py"):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("b/link")
        link.type, link.linkname = tarfile.SYMTYPE, "../a.py"
        archive.addfile(link)
    return target.getvalue()


class Source:
    """An archive that counts how often it was opened."""

    def __init__(self, content: bytes) -> None:
        self.content, self.opened = content, 0

    async def fetch(self) -> IO[bytes]:
        self.opened += 1
        return io.BytesIO(self.content)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


async def test_attempts_at_once_share_one_unpacking(tmp_path: Path) -> None:
    trees, source = UnpackedTrees(tmp_path / "trees"), Source(tar())
    targets = [tmp_path / f"attempt-{n}" / "tree" for n in range(5)]
    await asyncio.gather(*(trees.place(KEY, target, fetch=source.fetch) for target in targets))
    assert source.opened == 1
    assert [names(target) for target in targets] == [NAMES] * 5
    assert len({(target / "a.py").stat().st_ino for target in targets}) == 1
    assert os.readlink(targets[0] / "b/link") == "../a.py"


async def test_a_project_is_never_given_another_ones_tree(tmp_path: Path) -> None:
    trees, mine, theirs = UnpackedTrees(tmp_path / "trees"), Source(tar()), Source(tar())
    await trees.place(KEY, tmp_path / "one", fetch=mine.fetch)
    await trees.place(Key("bob", KEY.sha256), tmp_path / "two", fetch=theirs.fetch)
    assert (mine.opened, theirs.opened) == (1, 1)
    assert not (tmp_path / "one/a.py").samefile(tmp_path / "two/a.py")


async def test_nobody_else_may_enter_where_trees_are_kept(tmp_path: Path) -> None:
    trees = UnpackedTrees(tmp_path / "trees")
    await trees.place(KEY, tmp_path / "one", fetch=Source(tar()).fetch)
    assert (tmp_path / "trees").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("limits", [{"bytes_max": 3}, {"trees_max": 1}])
async def test_the_oldest_tree_is_dropped_and_attempts_keep_theirs(
    tmp_path: Path, limits: dict[str, int]
) -> None:
    trees, source = UnpackedTrees(tmp_path / "trees", **limits), Source(tar())
    await trees.place(KEY, tmp_path / "one", fetch=source.fetch)
    await trees.place(Key("ada", "b" * 64), tmp_path / "two", fetch=Source(tar(b"2")).fetch)
    assert len(list((tmp_path / "trees").iterdir())) == 1
    assert (tmp_path / "one/b/c.py").read_bytes() == b"1"
    await trees.place(KEY, tmp_path / "three", fetch=source.fetch)
    assert source.opened == 2
    assert names(tmp_path / "three") == NAMES


async def test_a_tree_that_cannot_be_linked_is_unpacked_again(tmp_path: Path) -> None:
    trees, source = UnpackedTrees(tmp_path / "trees"), Source(tar())
    await trees.place(KEY, tmp_path / "one", fetch=source.fetch)
    (kept,) = (tmp_path / "trees").iterdir()
    (kept / "b/c.py").unlink()
    (kept / "b/link").unlink()
    (kept / "b").rmdir()
    (kept / "a.py").unlink()
    kept.rmdir()
    await trees.place(KEY, tmp_path / "two", fetch=source.fetch)
    assert names(tmp_path / "two") == NAMES
    assert not (tmp_path / "one/a.py").samefile(tmp_path / "two/a.py")


async def test_an_archive_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    trees = UnpackedTrees(tmp_path / "trees")
    for _ in range(2):
        with pytest.raises(InvalidInput, match="tar archive"):
            await trees.place(KEY, tmp_path / "one", fetch=Source(b"no tar" * 200).fetch)
    assert list((tmp_path / "trees").iterdir()) == []
    assert not (tmp_path / "one").exists()


async def test_one_who_gives_up_stops_no_other(tmp_path: Path) -> None:
    trees, began, go_on = UnpackedTrees(tmp_path / "trees"), asyncio.Event(), asyncio.Event()
    fetch = _held(began, go_on)
    first = asyncio.create_task(trees.place(KEY, tmp_path / "one", fetch=fetch))
    await began.wait()
    second = asyncio.create_task(trees.place(KEY, tmp_path / "two", fetch=fetch))
    first.cancel()
    go_on.set()
    await second
    assert names(tmp_path / "two") == NAMES
    assert first.cancelled() or first.cancelling()


def _held(began: asyncio.Event, go_on: asyncio.Event) -> Callable[[], Awaitable[IO[bytes]]]:
    async def fetch() -> IO[bytes]:
        began.set()
        await go_on.wait()
        return io.BytesIO(tar())

    return fetch
