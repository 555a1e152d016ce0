"""software-delivery through the public API, without a model: from requirements to a release that a person approved."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Api, states
from tests.packs.conftest import PACKS, apply

PACK = PACKS / "software-delivery"
WORKFLOWS = (PACK / "software-delivery-round.yaml", PACK / "software-delivery.yaml")
Json = Any


@pytest.mark.sandbox
async def test_an_approved_delivery_can_be_cloned_and_its_tests_pass_again(
    packs: Api, tmp_path: Path
) -> None:
    await apply(packs, *WORKFLOWS)
    requirements = await upload(packs, (PACK / "samples/library.md").read_bytes(), "library.md")
    run = await packs.start("software-delivery", {"requirements": requirements, "model": "none"})
    asked = await asking(packs, run)

    await packs.post(f"/runs/{run}/nodes/sign-off/approve", by="ada", comment="good enough")
    ended = await packs.ended(run)

    assert ended["state"] == "succeeded", ended["failure"]
    assert "Release 'Library catalogue' (crud-service)?" in asked
    assert "11 of 12 requirements met; not or not wholly: R12 (open)" in asked
    clone = await cloned(packs, ended["output"]["bundle"], tmp_path)
    assert git(clone, "log", "--format=%an", "--reverse").split() == [
        *("requester", "designer", "implementer", "tester", "reviewer"),
    ]
    assert "Approved by ada" in git(clone, "tag", "--list", "--format=%(contents)", ended["output"]["tag"])
    again = pytest_in(clone)
    assert again.returncode == 0, again.stdout
    assert "70 passed" in again.stdout
    await the_patch_makes_the_same_tree(packs, ended["output"]["patch"], clone, tmp_path)


@pytest.mark.sandbox
async def test_a_rejected_delivery_releases_nothing(packs: Api) -> None:
    """Other requirements than in the test above, given as text; and no blueprint scores, so that it falls back."""
    await apply(packs, *WORKFLOWS)
    text = "# Plant log\n\nA plant has a name (required) and a height (number, at least 0)."
    run = await packs.start("software-delivery", {"requirements": text, "model": "none"})
    asked = await asking(packs, run)

    await packs.post(f"/runs/{run}/nodes/sign-off/reject", by="bob", comment="not needed")
    ended = await packs.ended(run)

    assert "Release 'Plant log' (library)?" in asked
    assert ended["state"] == "failed"
    assert ended["output"] is None
    assert states(ended)["fallback"] == "succeeded"
    assert states(ended)["release"] == "cancelled"
    fallback = await packs.get(f"/runs/{run}/nodes/fallback")
    assert fallback["output"]["by"] == "fallback"
    assert "crud-service 0 of 3" in fallback["output"]["reason"]


@pytest.mark.sandbox
async def test_requirements_that_say_nothing_fail_with_what_to_do(packs: Api) -> None:
    await apply(packs, *WORKFLOWS)

    run = await packs.start("software-delivery", {"requirements": "Make it nice.", "model": "none"})
    ended = await packs.ended(run)

    assert ended["state"] == "failed"
    assert "no sentence says what is kept" in str(ended["failure"])
    assert "docs/guides/models.md" in str(ended["failure"])


async def asking(packs: Api, run: str) -> str:
    """The question of the sign-off, once it is asked."""
    seen = await packs.get(f"/runs/{run}")
    while states(seen).get("sign-off") != "suspended":
        assert not seen["ended_at"], seen["failure"]
        seen = await packs.get(f"/runs/{run}", wait=30, after=seen["seq"])
    events = await packs.get(f"/runs/{run}/events", after=0, limit=200)
    return next(str(event) for event in events["items"] if "Release '" in str(event))


async def upload(packs: Api, content: bytes, name: str) -> str:
    answer = await packs.client.post("/api/v1/artifacts", content=content)
    assert answer.status_code == 201, answer.text
    return f"artifact://{answer.json()['sha256']}/{name}"


async def download(packs: Api, uri: str) -> bytes:
    sha256 = uri.removeprefix("artifact://").split("/")[0]
    return (await packs.client.get(f"/api/v1/artifacts/{sha256}")).content


async def cloned(packs: Api, uri: str, folder: Path) -> Path:
    bundle, clone = folder / "delivery.bundle", folder / "clone"
    bundle.write_bytes(await download(packs, uri))
    git(folder, "clone", "--quiet", str(bundle), str(clone))
    return clone


async def the_patch_makes_the_same_tree(packs: Api, uri: str, clone: Path, folder: Path) -> None:
    fresh, patch = folder / "fresh", folder / "delivery.patch"
    patch.write_bytes(await download(packs, uri))
    git(folder, "init", "--quiet", str(fresh))
    git(fresh, "apply", "--index", str(patch))
    assert git(fresh, "write-tree") == git(clone, "rev-parse", "HEAD^{tree}")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
