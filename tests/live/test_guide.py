"""The program of docs/guides/live.md is run as it stands there."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from prometheus_client import REGISTRY

from penstock.contracts.limits import LIVE_VIEWS_PER_WORKFLOW_MAX
from tests.house.documents import ROOT, blocks
from tests.live.conftest import Orchestrator

GUIDE = (ROOT / "docs/guides/live.md").read_text()


async def test_the_guides_reader_tells_a_run_to_its_end(
    orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await orchestrator.run_and_end()

    await reader(orchestrator)(run)

    assert capsys.readouterr().out.splitlines()[0] == "1 penstock.run.started "


async def test_the_guides_reader_comes_again_when_there_was_no_place(
    orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await orchestrator.run_and_end()
    viewers = [await orchestrator.watch("/live?workflow=greet") for _ in range(LIVE_VIEWS_PER_WORKFLOW_MAX)]
    before = refused()

    reading = asyncio.create_task(reader(orchestrator)(run))
    async with asyncio.timeout(10):
        while refused() == before:
            await asyncio.sleep(0.02)
        await viewers[0].close()
        await reading

    assert capsys.readouterr().out.splitlines()[0] == "1 penstock.run.started "


def reader(orchestrator: Orchestrator) -> Callable[[str], Coroutine[Any, Any, None]]:
    """The program's function, which watches our orchestrator."""
    (program,) = blocks(GUIDE, "python")
    address = f"{orchestrator.url}/runs/{{run}}/live?project={orchestrator.project}&"
    names: dict[str, Any] = {}
    exec(program.replace("ws://127.0.0.1:9002/api/v1/runs/{run}/live?", address), names)
    watch: Callable[[str], Coroutine[Any, Any, None]] = names["watch"]
    return watch


def refused() -> float:
    return REGISTRY.get_sample_value("penstock_websocket_closed_total", {"reason": "refused"}) or 0.0
