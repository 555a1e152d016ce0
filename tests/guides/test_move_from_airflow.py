"""The workflow beside Airflow's DAG gives what the guide says. Airflow's side: `make test-guides`."""

import ast
from pathlib import Path

import pytest

from tests.e2e.conftest import Api
from tests.guides.conftest import save
from tests.guides.files import write_files


@pytest.mark.sandbox
async def test_the_workflow_gives_what_the_dag_gives(guided: Api, tmp_path: Path) -> None:
    files = write_files("move-from-airflow.md", tmp_path)
    run = await guided.ended(await guided.start(await save(guided, files["airflow/words.yaml"]), {}))

    assert run["output"] == {"words": 13, "praise": "succeeded", "report": "13 words"}
    assert {node["name"]: node["state"] for node in run["nodes"]}["blame"] == "skipped"


def test_the_dag_is_python(tmp_path: Path) -> None:
    files = write_files("move-from-airflow.md", tmp_path)

    assert ast.parse(files["airflow/words_dag.py"].read_text()).body
