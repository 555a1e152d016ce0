"""Runs what the guides show of Airflow and Prefect, in an environment that has them: `make test-guides`.

Prints what each gave; ends with an error if it is not what the guide says.
"""

import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.guides.files import write_files

NAMES = ["ode", "pond"]
FLOW = {"counts": [9, 4], "total": 13, "greeting": "hello", "first": 9}
DAG = {"total": 13, "report": "13 words", "praise": "a long one", "blame": None}


def prefect_gives(folder: Path) -> Any:
    os.environ |= {"PREFECT_HOME": str(folder / "home"), "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true"}
    flow = write_files("move-from-prefect.md", folder)["prefect/words_flow.py"]
    return runpy.run_path(str(flow))["words"](NAMES)


def airflow_gives(folder: Path) -> Any:
    home = folder / "airflow-home"
    os.environ |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
    dag_file = write_files("move-from-airflow.md", folder)["airflow/words_dag.py"]
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(dag_file.parent)
    subprocess.run(
        [Path(sys.prefix) / "bin" / "airflow", "db", "migrate"], check=True, stdout=subprocess.DEVNULL
    )
    run = runpy.run_path(str(dag_file))["words_dag"].test()
    return {task: _returned(run, task) for task in DAG}


def _returned(run: Any, task: str) -> Any:
    instance = run.get_task_instance(task)
    return instance.xcom_pull(task_ids=task) if instance.state == "success" else None


def main() -> int:
    wrong = 0
    for name, give, expected in (("prefect", prefect_gives, FLOW), ("airflow", airflow_gives, DAG)):
        with tempfile.TemporaryDirectory() as folder:
            given = give(Path(folder))
        wrong += given != expected
        print(f"{name}: {given}" + ("" if given == expected else f", expected {expected}"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
