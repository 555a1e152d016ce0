"""software-delivery through the public API, without a model: from requirements to a release that a person approved."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.e2e.conftest import Api, states
from tests.packs.conftest import PACKS, apply

PACK = PACKS / "software-delivery"
WORKFLOWS = (PACK / "software-delivery-round.yaml", PACK / "software-delivery.yaml")
Json = Any
OURS = "def test_ours():\n    assert True\n"


@pytest.mark.sandbox
async def test_what_is_approved_is_released_and_what_is_rejected_is_not(packs: Api, tmp_path: Path) -> None:
    await apply(packs, *WORKFLOWS)
    requirements = await upload(packs, (PACK / "samples/library.md").read_bytes(), "library.md")
    given = await upload(packs, archive_of({"NOTICE": "Ours.\n", "tests/test_ours.py": OURS}), "given/")
    wanted = {"requirements": requirements, "repository": given, "model": "none"}
    run = await packs.start("software-delivery", wanted)
    asked = await asking(packs, run)

    await packs.post(f"/runs/{run}/nodes/sign-off/approve", by="ada", comment="good enough")
    ended = await packs.ended(run)

    assert ended["state"] == "succeeded", ended["failure"]
    assert "Release 'Library catalogue' (crud-service)?" in asked
    assert "11 of 12 requirements met; not or not wholly: R12 (open); 71 tests passed" in asked
    clone = await cloned(packs, ended["output"]["bundle"], tmp_path)
    authors = git(clone, "log", "--format=%an", "--reverse").split()
    assert authors == ["requester", "designer", "implementer", "tester", "reviewer"]
    assert "Approved by ada" in git(clone, "tag", "--list", "--format=%(contents)", ended["output"]["tag"])
    again = pytest_in(clone)
    assert again.returncode == 0, again.stdout
    assert "71 passed" in again.stdout
    await the_contracts_are_valid_and_those_of_the_tree(packs, ended["output"]["contracts"], clone)
    await the_patch_makes_the_same_tree(packs, ended["output"]["patch"], clone, tmp_path)
    await the_report_says_what_is_open(packs, ended["output"])
    await a_rejection_releases_nothing(packs, run)


async def a_rejection_releases_nothing(packs: Api, run: str) -> None:
    """The same delivery, asked about once more."""
    again = (await packs.post(f"/runs/{run}/fork", **{"from": "sign-off"}))["id"]
    await asking(packs, again)

    await packs.post(f"/runs/{again}/nodes/sign-off/reject", by="bob", comment="not needed")
    ended = await packs.ended(again)

    assert (ended["state"], ended["output"]) == ("failed", None)
    assert "not needed" in str(ended["failure"])
    assert states(ended)["release"] == "cancelled"


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


async def the_contracts_are_valid_and_those_of_the_tree(
    packs: Api, uris: dict[str, str], clone: Path
) -> None:
    assert [*uris] == ["api", "data", "events", "operations"]
    for name, uri in uris.items():
        document = json.loads(await download(packs, uri))
        OpenAPIV31SpecValidator(document).validate()
        assert document == json.loads((clone / f"contracts/{name}.json").read_text())


async def the_report_says_what_is_open(packs: Api, output: Json) -> None:
    page = (await download(packs, output["report"])).decode()
    open_ones = [each for each in output["requirements"] if each["state"] == "open"]
    assert [each["text"] for each in open_ones] == [
        "Readers should get a reminder three days before a loan ends."
    ]
    assert open_ones[0]["why"] in page
    assert "POST /books/{id}/lend: lendBook" in page


async def the_patch_makes_the_same_tree(packs: Api, uri: str, clone: Path, folder: Path) -> None:
    fresh, patch = folder / "fresh", folder / "delivery.patch"
    patch.write_bytes(await download(packs, uri))
    git(folder, "clone", "--quiet", str(clone), str(fresh))
    git(fresh, "checkout", "--quiet", "delivery-base")
    git(fresh, "apply", "--index", str(patch))
    assert git(fresh, "write-tree") == git(clone, "rev-parse", "HEAD^{tree}")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def archive_of(files: dict[str, str]) -> bytes:
    """A folder as clients upload it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()
