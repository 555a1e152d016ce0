"""The main job: repository-guard on a real tree, through the public API, checked by its results."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Api, states
from tests.packs.expectations import SHOP, complaints
from tests.stack import ROOT


@pytest.mark.sandbox
async def test_repository_guard_finds_what_was_planted_and_its_patch_applies(api: Api) -> None:
    pack = ROOT / "shared/packs/security/repository-guard.yaml"
    saved = await api.client.post(
        "/api/v1/workflows", content=pack.read_bytes(), headers={"content-type": "application/yaml"}
    )
    assert saved.status_code in (200, 201), saved.text
    repository = await upload(api, SHOP)

    run = await api.ended(await api.start("repository-guard", {"repository": repository}))

    ended = states(run)
    assert ended.pop("vulnerabilities") == "skipped"  # the run has no snapshot
    assert set(ended.values()) == {"succeeded"}, ended
    report = json.loads(await download(api, run["output"]["json"]))
    page = (await download(api, run["output"]["report"])).decode()
    patch = (await download(api, run["output"]["patch"])).decode()
    assert list(complaints(report=report, page=page, patch=patch)) == []


async def upload(api: Api, folder: Path) -> str:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(folder, arcname=".")
    answer = await api.client.post("/api/v1/artifacts", content=archive.getvalue())
    assert answer.status_code == 201, answer.text
    return f"artifact://{answer.json()['sha256']}/{folder.name}/"


async def download(api: Api, uri: str) -> bytes:
    sha256 = uri.removeprefix("artifact://").split("/")[0]
    return (await api.client.get(f"/api/v1/artifacts/{sha256}")).content
