"""The workflow beside Prefect's flow gives what the guide says. Prefect's side: `make test-guides`."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Api
from tests.guides.conftest import save
from tests.guides.files import write_files

GIVEN = {"names": ["ode", "pond"]}
EXPECTED = {"counts": [9, 4], "total": 13, "greeting": "hello", "first": 9}


@pytest.mark.sandbox
async def test_the_workflow_gives_what_the_flow_gives(guided: Api, tmp_path: Path) -> None:
    files = write_files("move-from-prefect.md", tmp_path)
    await save(guided, files["prefect/words-of-one.yaml"])
    run = await guided.ended(await guided.start(await save(guided, files["prefect/words-flow.yaml"]), GIVEN))

    assert run["output"] == EXPECTED
