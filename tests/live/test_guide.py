"""The program of docs/guides/live.md is run as it stands there."""

from typing import Any

import pytest

from tests.house.documents import ROOT, blocks
from tests.live.conftest import Orchestrator

GUIDE = (ROOT / "docs/guides/live.md").read_text()


async def test_the_guides_reader_tells_a_run_to_its_end(
    orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await orchestrator.run_and_end()
    (program,) = blocks(GUIDE, "python")
    address = f"{orchestrator.url}/runs/{{run}}/live?project={orchestrator.project}&"
    names: dict[str, Any] = {}
    exec(program.replace("ws://127.0.0.1:9002/api/v1/runs/{run}/live?", address), names)

    await names["watch"](run)

    assert capsys.readouterr().out.splitlines()[0] == "1 penstock.run.started "
