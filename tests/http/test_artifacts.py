"""Artifacts: the same bytes out as in, whole or not at all, and never more than the limit."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import ClientDisconnect

from orchestrator.store.artifacts import ArtifactFolder
from orchestrator.store.composed import open_database
from penstock.contracts.errors import LimitExceeded, NotFound
from tests.http.builders import Rows


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.fixture
async def folder(database: str, tmp_path: Path) -> AsyncIterator[ArtifactFolder]:
    connections = open_database(database)
    yield ArtifactFolder(tmp_path / "artifacts", connections, bytes_max=1_000)
    await connections.dispose()


async def test_bytes_come_back_as_they_went_in(api: httpx.AsyncClient, rows: Rows) -> None:
    content = bytes(range(256)) * 20_000

    put = await api.post("/artifacts", content=pieces(content[:1_000], content[1_000:]))
    got = await api.get(f"/artifacts/{put.json()['sha256']}")

    assert put.status_code == 201
    assert put.json() == {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    assert got.content == content
    assert got.headers["content-length"] == str(len(content))
    assert got.headers["x-content-type-options"] == "nosniff"
    assert await rows.count("artifact") == 1


async def test_storing_the_same_bytes_again_changes_nothing(api: httpx.AsyncClient, rows: Rows) -> None:
    first = await api.post("/artifacts", content=b"same")
    again = await api.post("/artifacts", content=b"same")

    assert first.json() == again.json()
    assert await rows.count("artifact") == 1


async def test_an_empty_file_is_a_file(api: httpx.AsyncClient) -> None:
    put = await api.post("/artifacts", content=b"")

    assert (await api.get(f"/artifacts/{put.json()['sha256']}")).content == b""


@pytest.mark.parametrize("name", ["0" * 64, "..%2f..%2fetc%2fpasswd", "A" * 64, "%00", "x"])
async def test_an_unknown_artifact_is_not_found(api: httpx.AsyncClient, name: str) -> None:
    assert (await api.get(f"/artifacts/{name}")).status_code == 404


async def test_a_file_above_the_limit_leaves_nothing_behind(folder: ArtifactFolder, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="1000 bytes"):
        await folder.put(pieces(b"x" * 600, b"y" * 600))

    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


async def test_an_upload_that_breaks_off_leaves_nothing_behind(
    folder: ArtifactFolder, tmp_path: Path
) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"x" * 100
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        await folder.put(breaking())

    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


async def test_an_announced_size_above_the_limit_is_refused_before_it_is_read(api: httpx.AsyncClient) -> None:
    answer = await api.post("/artifacts", content=b"x", headers={"content-length": str(2**31)})

    assert answer.status_code == 413


async def test_a_file_that_vanished_from_the_disk_is_not_found(
    folder: ArtifactFolder, tmp_path: Path
) -> None:
    stored = await folder.put(pieces(b"soon gone"))
    (tmp_path / "artifacts" / stored.sha256[:2] / stored.sha256).unlink()

    with pytest.raises(NotFound):
        await folder.read(stored.sha256)
