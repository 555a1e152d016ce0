"""The pack's workflows through the public API: a change is reviewed with everything, and somebody is told of it."""

import io
import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deliveries.targets import Target
from tests.e2e.conftest import Api, states
from tests.model_server import ModelServer
from tests.packs.conftest import apply
from tests.packs.expectations import PACK, SHOP
from tests.stack import Stack

SAMPLES = PACK / "samples"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, model_server_running: ModelServer) -> Iterator[Stack]:
    extra = {"PENSTOCK_NOTIFIER_NETWORKS": "127.0.0.0/8"}
    folder = tmp_path_factory.mktemp("security")
    own = {"runner-0": {"PENSTOCK_RUNNER_MODELS_FILE": str(model_server_running.write_models(folder))}}
    with Stack(folder=folder, agents=(PACK / "agents",), notifiers=1, extra=extra, own=own) as running:
        yield running


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=90) as client:
        yield Api(client)


async def upload(api: Api, path: Path) -> str:
    content = packed(path)
    answer = await api.client.post("/api/v1/artifacts", content=content)
    assert answer.status_code == 201, answer.text
    return f"artifact://{answer.json()['sha256']}/{path.name}{'' if path.suffix else '/'}"


def packed(path: Path) -> bytes:
    """A file as it is, a folder as an archive."""
    if path.is_file():
        return path.read_bytes()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(path, arcname=".")
    return archive.getvalue()


async def fetched(api: Api, uri: str) -> Any:
    sha256 = uri.removeprefix("artifact://").split("/")[0]
    return json.loads((await api.client.get(f"/api/v1/artifacts/{sha256}")).content)


async def subscribe(stack: Stack, target: Target) -> None:
    """As the sample says, to a receiver of the test's."""
    (subscription,) = yaml.safe_load((SAMPLES / "subscriptions.yaml").read_text())["subscriptions"].values()
    subscription["channel"]["webhook"]["url"] = target.url
    async with httpx.AsyncClient(base_url=stack.notifier_url, timeout=30) as client:
        answer = await client.put("/api/v1/subscriptions/security-results", json=subscription)
        assert answer.is_success, answer.text


@pytest.mark.sandbox
async def test_a_change_is_reviewed_and_those_who_asked_for_it_are_told(
    stack: Stack, api: Api, model_server: ModelServer
) -> None:
    remark = {"file": "shop/report.py", "line": 10, "severity": "medium", "title": "Divides by zero"}
    quote = {"text": "An empty list has no length.", "quote": "return sum(totals) / len(totals)"}
    model_server.on(lambda request: {"remarks": [{**remark, **quote}]})
    await apply(api, PACK / "review-change.yaml")
    given = {
        "repository": await upload(api, SHOP),
        "diff": await upload(api, SAMPLES / "change.diff"),
        "osv": await upload(api, SAMPLES / "osv"),
        "license_policy": await upload(api, SAMPLES / "license-policy.yaml"),
        "threshold": "medium",
        "notify": "security",
        "link": "https://example.org/changes/1",
    }
    async with Target() as target:
        await subscribe(stack, target)

        run = await api.ended(await api.start("review-change", given))

        assert set(states(run).values()) == {"succeeded"}, states(run)
        (told,) = await target.received(1)

    output = run["output"]
    assert output["verdict"] == "fail"
    comments = (await fetched(api, output["comments"]))["comments"]
    assert [(one["file"], one["line"], one["source"], one["rules"]) for one in comments] == [
        ("requirements.txt", 5, "tools", ["osv/EXAMPLE-2026-0004"]),
        ("shop/app.py", 49, "tools", ["bandit/B307", "ruff/S307"]),
        ("shop/report.py", 10, "model", []),
        ("requirements.txt", 5, "tools", ["licenses/unknown"]),
    ]
    assert (await fetched(api, output["github"]))["event"] == "REQUEST_CHANGES"
    assert told.document == {
        "text": output["notification"]["text"],
        "verdict": "fail",
        "high": 0,
        "run": run["id"],
    }
    assert "https://example.org/changes/1" in told.document["text"]


@pytest.mark.sandbox
async def test_a_tree_is_patched_with_osv_and_nobody_is_told_who_was_not_named(api: Api) -> None:
    await apply(api, PACK / "repository-guard.yaml")
    given = {"repository": await upload(api, SHOP), "osv": await upload(api, SAMPLES / "osv/invented.jsonl")}

    run = await api.ended(await api.start("repository-guard", given))

    assert set(states(run).values()) == {"succeeded"}, states(run)
    report = await fetched(api, run["output"]["json"])
    upgraded = [fix["change"] for fix in report["fixes"] if fix["rule"] == "osv/CVE-0000-0001"]
    assert upgraded == ["some-package-nobody-has 1.0 became 1.3.1"]
    assert run["output"]["notification"]["is_addressed"] is False
    assert "names no channel" in run["output"]["notification"]["sentence"]
    assert any("could not be compared" in note for note in run["output"]["notes"])
