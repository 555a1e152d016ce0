"""A whole Penstock with all packs for tests of their workflows; and the security agents one after another."""

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Api
from tests.model_server import ModelServer
from tests.packs.agent_process import run
from tests.packs.expectations import SHOP
from tests.stack import ROOT, Stack

PACKS = ROOT / "shared/packs"


@pytest.fixture(scope="session")
def pack_stack(
    tmp_path_factory: pytest.TempPathFactory, model_server_running: ModelServer
) -> Iterator[Stack]:
    """Its models `default` and `embeddings` are the model server's; what they answer is for each test to script."""
    folder = tmp_path_factory.mktemp("packs")
    models = {"PENSTOCK_RUNNER_MODELS_FILE": str(model_server_running.write_models(folder))}
    packs = (PACKS, value_probe(folder / "probes/value-probe"))
    with Stack(folder=folder, agents=packs, own={"runner-0": models}) as running:
        yield running


def value_probe(pack: Path) -> Path:
    """A pack with the library of value-lifecycle, and an agent that fails where its stages never should."""
    shutil.copytree(PACKS / "value-lifecycle/lib", pack / "lib")
    shutil.copytree(Path(__file__).with_name("value_probe"), pack / "agents/value-probe")
    return pack.parent


@pytest.fixture
async def packs(pack_stack: Stack, model_server: ModelServer) -> AsyncIterator[Api]:
    """The public API of a Penstock whose runner offers the agents of all packs; workflows are applied by tests."""
    async with httpx.AsyncClient(base_url=pack_stack.url, timeout=90) as client:
        yield Api(client)


async def apply(api: Api, *files: Path) -> None:
    """Save workflows as their pack has them."""
    for file in files:
        answer = await api.client.post(
            "/api/v1/workflows", content=file.read_bytes(), headers={"content-type": "application/yaml"}
        )
        assert answer.status_code in (200, 201), answer.text


@dataclass(frozen=True)
class Chain:
    """The answers of all agents, as the workflow hands them on."""

    source: Path
    scan: dict[str, Any]
    licenses: dict[str, Any]
    headers: dict[str, Any]
    review: dict[str, Any]
    patch: dict[str, Any]
    report: dict[str, Any]


def chain_of(source: Path, *, out: Path, threshold: str = "high") -> Chain:
    where = str(source)
    checks = {
        "scan": run("security-scanner", out=out, source=where),
        "licenses": run("license-checker", out=out, source=where, allowed=[]),
        "headers": run("header-checker", out=out, source=where),
    }
    review = run("code-reviewer", out=out, source=where, **checks)
    patch = run("patcher", out=out, source=where, review=review)
    states = dict.fromkeys([*checks, "review", "patch"], "succeeded")
    facts = {"id": "0199", "project": "default", "workflow": "repository-guard", "version": 1}
    parts = {**checks, "review": review, "patch": patch}
    report = run("reporter", out=out, threshold=threshold, **parts, states=states, run=facts)
    return Chain(source=source, report=report, **parts)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return chain_of(SHOP, out=tmp_path_factory.mktemp("shop"))
