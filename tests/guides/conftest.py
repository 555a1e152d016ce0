"""The files of the guides as they stand there, and a Penstock with the guides' agents."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Api
from tests.guides.files import write_files
from tests.model_server import ModelServer
from tests.stack import Stack


@pytest.fixture(scope="session")
def guide_stack(
    tmp_path_factory: pytest.TempPathFactory, model_server_running: ModelServer
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("guides")
    write_files("write-a-workflow.md", folder)
    write_files("write-an-agent.md", folder / "own")
    models = {"PENSTOCK_RUNNER_MODELS_FILE": str(model_server_running.write_models(folder))}
    agents = (folder / "words", folder / "own")
    with Stack(folder=folder / "stack", agents=agents, own={"runner-0": models}) as running:
        running.services["runner-0"].wait_ready(lambda: offers(running, "tell"))
        yield running


def offers(stack: Stack, agent: str) -> bool:
    return httpx.get(f"{stack.url}/api/v1/agents/{agent}").status_code == 200


@pytest.fixture
async def guided(guide_stack: Stack) -> AsyncIterator[Api]:
    """The public API of that Penstock."""
    async with httpx.AsyncClient(base_url=guide_stack.url, timeout=60) as client:
        yield Api(client)


async def save(api: Api, file: Path) -> str:
    """The workflow's name. Its agents are on offer, and take what it gives them: nothing is doubtful in it."""
    text = await asyncio.to_thread(file.read_bytes)
    answer = await api.client.post(
        "/api/v1/workflows", content=text, headers={"content-type": "application/yaml"}
    )
    assert answer.status_code in (200, 201), answer.text
    assert answer.json()["warnings"] == [], answer.text
    return str(answer.json()["name"])
